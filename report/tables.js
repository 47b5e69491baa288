/*
 * tables.js: what is no chart over time: tiles, nodes, problems, holes, the week.
 */

function tile(title, value, unit, note, share, over) {
	const made = element("div", {class: "tile"}, element("h2", null, title),
		element("div", {class: "value"}, value, unit ? element("small", null, unit) : null));
	if (known(share)) {
		const bar = element("i");
		bar.style.width = Math.min(share, 1) * 100 + "%";
		made.append(element("div", {class: over ? "meter over" : "meter", "aria-hidden": "true"}, bar));
	}
	for (const line of [].concat(note || []))
		made.append(element("div", {class: "note"}, line));
	byId("tiles").append(made);
}

function energyTile(title, total, note) {
	if (!total || !known(total.kwh))
		return tile(title, "\u2013", null, ["nothing measured", note]);
	tile(title, ...scaled(total.kwh, "kWh"), [percent(total.coverage) + " measured", note], total.coverage);
}

const money = (amount, currency) => [amount.toLocaleString("en-GB", {minimumFractionDigits: 2, maximumFractionDigits: 2}).replace(/,/g, "\u2009"), currency];

/* Sums of different currencies are not added; energy without a price is said, not taken for free. */
function costTiles() {
	if (!data.cost)
		return;
	if (data.cost.limit)
		tile("Cost in report", "\u2013", null, ["not reckoned: more than " + data.cost.limit.toLocaleString("en-GB").replace(/,/g, "\u2009") + " hours of nodes",
			"tribe_power_cost() takes any time"]);
	const range = data.cost.range, rows = range || data.cost.month || [];
	if (data.cost.limit && !rows.length)
		return;
	const priced = rows.filter(row => known(row.cost)), title = range ? "Cost in report" : "Cost this month";
	const unpriced = rows.reduce((sum, row) => sum + row.kwh - row.priced, 0);
	const notes = [unpriced > 1e-6 ? quantity(unpriced, "kWh") + " have no price" : "of what was measured"];
	const month = (data.cost.month || []).filter(row => known(row.cost));
	if (range && month.length)
		notes.push("this month " + month.map(row => money(row.cost, row.currency).join("\u00a0")).join(", "));
	const carbonKwh = (range || []).reduce((sum, row) => sum + (row.carbonKwh || 0), 0);
	if (carbonKwh > 0)
		notes.push(digits(range.reduce((sum, row) => sum + (row.carbon || 0), 0)) + "\u00a0kg CO\u2082");
	if (priced.length)
		for (const row of priced)
			tile(title, ...money(row.cost, row.currency), notes);
	else
		tile(title, "\u2013", null, "no price holds for this time");
}

function tiles() {
	const now = data.now, all = data.all;
	const missing = now.nodes - now.known;
	tile("Power now", ...known(now.watts) ? scaled(now.watts, "W") : ["\u2013", null],
		[known(now.budget) && known(now.watts) && missing === 0 ? percent(now.watts / now.budget) + " of " + quantity(now.budget, "W") + " peak budget" : null,
			now.nodes === 0 ? "no node is enabled" : missing ? now.known + " of " + now.nodes + " nodes known" : "all " + now.nodes + " nodes"].filter(Boolean),
		known(now.budget) && missing === 0 ? now.watts / now.budget : null, now.watts > now.budget);
	energyTile("Energy today", now.today);
	energyTile("Energy this month", now.month);
	const span = Math.min(data.to, data.made) - data.from;
	energyTile("Energy in report", {kwh: all.kwh, coverage: span > 0 && all.withPower ? Math.min(all.covered / (span * all.withPower), 1) : null});
	costTiles();
	let peak = -1;
	(all.fleet.watts || []).forEach((watts, i) => { if (known(watts) && (peak < 0 || watts > all.fleet.watts[peak])) peak = i; });
	if (peak < 0)
		tile("Peak", "\u2013", null, "no readings in this time");
	else
		tile("Peak", ...scaled(all.fleet.watts[peak], "W"), [stepName(peak) + (data.step < DAY ? ", mean" : ", the day\u2019s mean"),
			all.peak && all.nodeCount > 1 ? element("span", null, "one node: ", quantity(all.peak.watts, "W"), ", ", shown(all.peak.node)) : null].filter(Boolean));
	tile("Nodes", now.nodes - now.failing, "of " + now.nodes + " ok",
		now.failing ? now.failing + (now.failing === 1 ? " does not answer" : " do not answer") : now.nodes ? "all answer" : "none is registered",
		now.nodes ? (now.nodes - now.failing) / now.nodes : null, now.failing > 0);
}

/* --- nodes -------------------------------------------------------------------------------- */

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";

function spark(line) {
	if (!line)
		return element("span", {class: "muted"}, "\u2013");
	let path = "", open = false;
	[...line].forEach((c, i) => {
		const value = alphabet.indexOf(c);
		if (value < 0) {
			open = false;
			return;
		}
		const x = line.length > 1 ? i / (line.length - 1) * 120 : 60, y = 23 - value / 63 * 22;
		/* a lone value is a dot */
		path += (open ? "L" : "M") + x.toFixed(1) + " " + y.toFixed(1) + (open ? "" : "h.01");
		open = true;
	});
	return element("svg", {class: "spark", viewBox: "0 0 120 24", preserveAspectRatio: "none", "aria-hidden": "true"}, element("path", {d: path}));
}

function bullet(node) {
	if (!known(node.budget) || !(node.budget > 0))
		return element("span", {class: "muted"}, "\u2013");
	const most = Math.max(node.budget * 1.15, node.now || 0), at = watts => (watts / most * 84).toFixed(1);
	const idle = node.idle || 0, typical = node.typical || idle;
	const words = known(node.now) ? percent(node.now / node.budget) + " of " + quantity(node.budget, "W") : "budget " + quantity(node.budget, "W");
	return element("span", {title: words},
		element("svg", {class: node.now > node.budget ? "bullet over" : "bullet", viewBox: "0 0 84 12", "aria-hidden": "true"},
			element("rect", {class: "b1", width: at(node.budget), height: 12}), element("rect", {class: "b1", width: at(typical), height: 12}),
			element("rect", {class: "b1", width: at(idle), height: 12}),
			known(node.now) ? element("rect", {class: "v", y: 3.5, width: at(node.now), height: 5}) : null,
			element("line", {x1: at(node.budget), x2: at(node.budget), y1: 0, y2: 12})),
		element("span", {class: "sr"}, words));
}

const states = {
	ok: ["ok", "M5 0a5 5 0 1 0 .01 0z"], over: ["over budget", "M5 0 10 10H0z"], high: ["high", "M5 0 10 5 5 10 0 5z"],
	partial: ["partial", "M5 0 10 5 5 10 0 5z"], failing: ["failing", "M5 0 10 10H0z"], silent: ["no recent reading", "M5 0 10 5 5 10 0 5z"],
	never: ["never read", "M0 4h10v2H0z"], paused: ["paused", "M1 0h3v10H1zM6 0h3v10H6z"], gone: ["not registered", "M0 4h10v2H0z"]
};

function state(node) {
	const name = states[node.state] ? node.state : "never", [words, mark] = states[name];
	const svg = element("svg", {viewBox: "0 0 10 10", "aria-hidden": "true"}, element("path", {d: mark, fill: "currentColor"}));
	return element("span", {class: "state " + name}, svg, name !== "ok" ? words :
		["idle", "typical"].includes(node.load) ? words + ", " + node.load : known(node.now) ? words : words + ", no power source");
}

const span = Math.min(data.to, data.made) - data.from;
const coverage = node => span > 0 && known(node.covered) ? Math.min(node.covered / span, 1) : null;

const columns = [
	{key: "name", title: "Node", text: true},
	{key: "state", title: "State", text: true},
	{key: "now", title: "Now"},
	{title: "Of its budget", plain: true},
	{title: "In this time", plain: true},
	{key: "mean", title: "Mean"},
	{key: "peak", title: "Peak"},
	{key: "kwh", title: "Energy"},
	{key: "coverage", title: "Coverage", of: coverage}
];
const costs = new Map();
for (const [name, amount, currency] of (data.cost && data.cost.nodes) || [])
	if (known(amount))
		costs.set(name, [...costs.get(name) || [], [amount, currency]]);
if (costs.size)
	columns.splice(8, 0, {key: "cost", title: "Cost", of: node => costs.has(node.name) ? costs.get(node.name)[0][0] : null});
const tableOrder = {key: "kwh", down: true, all: false};

function nodeRow(node) {
	const share = coverage(node);
	return element("tr", null,
		element("th", {scope: "row", class: "name", title: visible(node.name)}, shown(node.name)),
		element("td", null, state(node), node.reason ? shown(node.reason, {class: "reason"}) : null),
		element("td", {class: "n"}, quantity(node.now, "W")),
		element("td", null, bullet(node)),
		element("td", null, spark(node.spark)),
		element("td", {class: "n"}, quantity(node.mean, "W")),
		element("td", {class: "n"}, quantity(node.peak, "W")),
		element("td", {class: "n"}, quantity(node.kwh, "kWh")),
		costs.size ? element("td", {class: "n"}, costs.has(node.name) ? costs.get(node.name).map(cost => money(...cost).join("\u00a0")).join(", ") : "\u2013") : null,
		element("td", {class: share !== null && share < .95 ? "n low" : "n"}, node.spark ? percent(share) : "\u2013"));
}

function nodeTable() {
	const place = byId("nodes"), wanted = byId("filter").value.trim().toLowerCase(), all = data.all.nodes || [];
	if (!all.length)
		return place.replaceChildren(element("p", {class: "empty"}, "No node is registered: INSERT INTO tribe_power_nodes (node_name, address) VALUES \u2026"));
	const column = columns.find(c => c.key === tableOrder.key), of = column.of || (node => node[column.key]);
	const rows = all.filter(node => !wanted || visible(node.name).toLowerCase().includes(wanted) || node.state.includes(wanted) || (node.reason || "").toLowerCase().includes(wanted));
	rows.sort((a, b) => {
		const x = of(a), y = of(b), no = v => v === null || v === undefined;
		if (no(x) || no(y))
			return no(x) - no(y);
		return (column.text ? String(x).localeCompare(String(y)) : x - y) * (tableOrder.down ? -1 : 1);
	});
	const least = 50, part = tableOrder.all ? rows : rows.slice(0, least);
	const head = columns.map(c => {
		const sorted = c.key === tableOrder.key && !c.plain;
		if (c.plain)
			return element("th", {scope: "col"}, c.title);
		const button = element("button", {type: "button"}, c.title + (sorted ? tableOrder.down ? " \u2193" : " \u2191" : ""));
		button.addEventListener("click", () => {
			tableOrder.down = sorted ? !tableOrder.down : !c.text;
			tableOrder.key = c.key;
			nodeTable();
			[...place.querySelectorAll("thead button")].find(b => b.textContent.startsWith(c.title)).focus();
		});
		return element("th", {scope: "col", class: c.text ? null : "n", "aria-sort": sorted ? tableOrder.down ? "descending" : "ascending" : null}, button);
	});
	place.replaceChildren(element("table", null, element("thead", null, element("tr", null, ...head)),
		element("tbody", null, ...part.map(nodeRow))));
	if (!rows.length)
		place.append(element("p", {class: "empty"}, "No node is like that."));
	if (rows.length > part.length) {
		const more = element("button", {type: "button", class: "more"}, "Show all " + rows.length + " nodes");
		more.addEventListener("click", () => { tableOrder.all = true; nodeTable(); });
		place.append(more);
	}
	byId("nodes-note").textContent = all.length < data.all.nodeCount ? "the " + all.length + " of most energy or trouble, of " + data.all.nodeCount : "";
}

/* --- problems and holes --------------------------------------------------------------------- */

function list(id, empty, head, rows) {
	byId(id).replaceChildren(rows.length ? element("table", null,
		element("thead", null, element("tr", null, ...head.map(([title, n]) => element("th", {scope: "col", class: n}, title)))),
		element("tbody", null, ...rows)) : element("p", {class: "empty"}, empty));
}

function problems() {
	const found = data.problems.rows || [];
	byId("problems-note").textContent = data.problems.count > found.length ? found.length + " of " + data.problems.count : "";
	list("problems", "None: every source that is expected gives its number.", [["Node"], ["What"], ["What to do"]], found.map(problem => element("tr", null,
		element("th", {scope: "row", class: "name", title: visible(problem.node)}, shown(problem.node)),
		element("td", {class: "text"}, shown(problem.detail || problem.what.replace(/_/g, " ")),
			problem.failures ? element("span", {class: "reason"}, problem.failures + (problem.failures === 1 ? " poll" : " polls in a row") + " failed; last read " +
				(known(problem.since) ? moment(problem.since) : "never")) : null),
		element("td", {class: "text muted"}, problem.remedy ? shown(problem.remedy) :
			element("span", null, "SELECT * FROM tribe_power_doctor('", shown(problem.node.replace(/'/g, "''")), "')")))));
}

const kinds = {node_lost: "node lost", over_peak: "over peak budget", over_temperature: "over temperature", over_month: "over monthly budget"};

function events() {
	const found = data.events.rows || [];
	byId("events-note").textContent = data.events.count > found.length ? "the " + found.length + " newest of " + data.events.count : "";
	list("events", "None began or ended in this time.", [["When"], ["Node"], ["What"]], found.map(([at, node, kind, phase, message]) => element("tr", null,
		element("td", {class: "when"}, moment(at)),
		element("th", {scope: "row", class: "name", title: visible(node)}, node ? shown(node) : "whole fleet"),
		element("td", {class: "text"}, element("span", {class: "state " + (phase === "raised" ? "failing" : "ok")}, (phase === "raised" ? "\u25b2 " : "\u25cf ") + (kinds[kind] || kind.replace(/_/g, " ")) + (phase === "raised" ? "" : ", ended")),
			shown(message, {class: "reason"})))));
}

function holes() {
	const found = data.all.holes || [];
	byId("holes-note").textContent = data.all.holeCount > found.length ? "the " + found.length + " longest of " + data.all.holeCount : data.step >= 3600 ? "of " + duration(data.step) + " or more" : "";
	list("holes", "None: power is known for all of this time.", [["Node"], ["From"], ["To"], ["Lasted", "n"]], found.map(([node, from, to]) => {
		const start = edges[from], stop = Math.min(edges[to], data.made, data.to);
		return element("tr", null, element("th", {scope: "row", class: "name", title: visible(node)}, shown(node)),
			element("td", null, from === 0 ? "before this report" : moment(start)), element("td", null, edges[to] >= Math.min(data.to, data.made) ? "still" : moment(stop)),
			element("td", {class: "n"}, duration(stop - start)));
	}));
}

/* --- hour of the day by day of the week -------------------------------------------------------- */

function mix(share) {
	return share < .5 ? blend("heat0", "heat1", share * 2) : blend("heat1", "heat2", share * 2 - 1);
}

function week() {
	const place = byId("week"), cells = data.week.cells || [];
	if (!cells.length)
		return place.replaceChildren(element("p", {class: "empty"}, "No hourly totals in this time. They are made every few minutes by the worker, or by tribe_power_upkeep()."));
	const values = cells.map(c => c[2]), low = Math.min(...values), high = Math.max(...values);
	const by = new Map(cells.map(c => [c[0] * 24 + c[1], c])), names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
	const read = element("span", {id: "week-read", "aria-live": "polite"}, "mean power by hour");
	const body = names.map((name, d) => element("tr", null, element("th", {scope: "row"}, name), ...[...Array(24).keys()].map(h => {
		const cell = by.get(d * 24 + h), words = name + " " + two(h) + "\u2013" + two(h + 1) + " h: ";
		if (!cell)
			return element("td", {class: "none"}, element("span", {class: "sr"}, "not known"));
		const made = element("td", {"data-words": words + quantity(cell[2], "W")}, element("span", {class: "sr"}, quantity(cell[2], "W")));
		made.style.background = mix(high > low ? (cell[2] - low) / (high - low) : .5);
		return made;
	})));
	const table = element("table", {class: "week"}, element("caption", {class: "sr"}, "Mean power of the fleet by weekday and hour"),
		element("thead", null, element("tr", null, element("th", {scope: "col"}, element("span", {class: "sr"}, "Day")),
			...[...Array(24).keys()].map(h => element("th", {scope: "col"}, h % 6 ? element("span", {class: "sr"}, h) : h)))),
		element("tbody", null, ...body));
	table.addEventListener("pointerover", event => {
		const cell = event.target.closest("td[data-words]");
		read.textContent = cell ? cell.dataset.words : "mean power by hour";
	});
	const bar = element("canvas", {width: 144, height: 8, "aria-hidden": "true"}), ctx = bar.getContext("2d");
	for (let x = 0; x < 144; x++) {
		ctx.fillStyle = mix(x / 143);
		ctx.fillRect(x, 0, 1, 8);
	}
	place.replaceChildren(table, element("div", {class: "scale"}, quantity(low, "W"), bar, quantity(high, "W"), read));
	byId("week-note").textContent = data.week.from > data.from + DAY ? "since " + dated(data.week.from) : "";
}
