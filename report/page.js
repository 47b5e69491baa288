/*
 * page.js: puts the page together: which nodes are shown and how, the charts with
 * their tables, light, dark and print.
 */

const lines = (data.all.series || []).map((line, i) => ({...line, colour: "s" + (i + 1), dash: i >= 6, on: true}));
if (data.all.fleet.others && lines.length)
	lines.push({name: data.all.charted - lines.length + " other nodes", watts: data.all.fleet.others, colour: "s0", on: true, others: true});
const powered = lines.filter(line => (line.watts || []).some(known));
const facts = new Map((data.all.nodes || []).map(node => [node.name, node]));
let stacked = powered.length > 1;

const swatch = (name, dash) => {
	const line = element("line", {x1: 0, x2: 18, y1: 5, y2: 5, "stroke-dasharray": dash ? "5 3" : null});
	line.style.stroke = "var(--" + name + ")";
	return element("svg", {class: "swatch", viewBox: "0 0 18 10", "aria-hidden": "true"}, line);
};
const empty = (id, words) => byId(id).replaceChildren(element("p", {class: "empty"}, words));

function buttons(id, choices, chosen, act) {
	byId(id).replaceChildren(...choices.map(([value, words]) => {
		const button = element("button", {type: "button", "aria-pressed": String(value === chosen)}, words);
		button.addEventListener("click", () => {
			act(value);
			for (const other of byId(id).children)
				other.setAttribute("aria-pressed", String(other === button));
		});
		return button;
	}));
}

/* A click hides or shows a node; a second one at once, or Shift, leaves it alone. */
function nodeChips() {
	const place = byId("nodes-shown");
	place.replaceChildren(...lines.map(line => {
		const chip = element("button", {type: "button", class: "chip", "aria-pressed": "true", title: "Hide or show; with Shift, this one alone"},
			swatch(line.colour, line.dash && !stacked), element("span", null, shown(line.name)));
		chip.addEventListener("click", event => {
			if (event.shiftKey) {
				const alone = line.on && lines.filter(l => l.on).length === 1;
				lines.forEach(l => l.on = alone || l === line);
			} else
				line.on = !line.on;
			[...place.children].forEach((c, i) => c.setAttribute("aria-pressed", String(lines[i].on)));
			power();
			temperature();
		});
		chip.setAttribute("aria-pressed", String(line.on));
		return chip;
	}));
}

/* --- power -------------------------------------------------------------------------------------- */

function budgets(shownLines) {
	const budget = key => {
		const values = shownLines.map(line => (facts.get(line.name) || {})[key]);
		return values.length && values.every(known) ? values.reduce((a, b) => a + b, 0) : null;
	};
	if (shownLines.length !== 1 && (!stacked || shownLines.some(line => line.others)))
		return [];
	return [[budget("idle"), "idle", "idle"], [budget("typical"), "typical", "typical"], [budget("budget"), "budget", "peak budget"]];
}

function power() {
	const on = powered.filter(line => line.on), stack = stacked && on.length > 1;
	byId("power-note").textContent = (data.step >= DAY ? "mean of " : "mean of each ") + duration(data.step) +
		(data.all.charted > lines.length && data.all.fleet.others ? "; the " + (lines.length - 1) + " nodes of most energy and the others together" : "");
	if (!powered.length)
		return empty("power", data.all.charted ? "No node\u2019s total power is known in this time: see the problems below." : "No readings in this time.");
	let columnsOf = on.map(line => line.watts);
	if (stack) {
		const sum = new Array(steps).fill(0);
		columnsOf = on.map(line => line.watts.map((watts, i) => known(watts) ? sum[i] += watts : null));
	}
	const levels = budgets(on), ended = Math.min(data.made, data.to);
	const missing = i => middles[i] < ended && on.some(line => !line.others && !known(line.watts[i]));
	/* a band needs both of its edges; that under a gap is the next that has a value */
	const order = stack ? on.map((line, i) => i).reverse() : on.map((line, i) => i);
	const series = order.map(i => ({
		stroke: () => colour(on[i].colour), width: stack ? 1 : 1.75, dash: on[i].dash && !stack ? [6, 3] : undefined,
		fill: stack ? () => soft(on[i].colour) : undefined, points: {show: undefined, size: 4}, spanGaps: false, label: on[i].name
	}));
	chart("power", {
		label: "Power of " + on.length + " nodes over time, in watts.", linked: true, ratio: .32, tallest: 360,
		data: [middles, ...order.map(i => columnsOf[i])], series,
		axes: [timeAxis(), valueAxis("W")],
		scales: {y: {range: (u, min, max) => {
			const top = fromZero(u, min, max)[1], peak = levels.length ? levels[2][0] : null;
			return [0, known(peak) && peak > top && peak < top * 1.8 ? peak * 1.06 : top];
		}}},
		hooks: {
			drawAxes: [u => {
				budgetBands(u, levels);
				if (!stack && on.length <= 3)
					on.forEach(line => line.low && envelope(u, line.low, line.high, colour(line.colour)));
			}],
			draw: [u => {
				hatchAll(u, i => stack && missing(i));
				budgetNames(u, levels);
			}]
		},
		tell: i => {
			const rows = on.map(line => [colour(line.colour), line.name, quantity(line.watts[i], "W") +
				(!stack && on.length <= 3 && line.low && known(line.low[i]) && line.high[i] - line.low[i] > .05 ?
					" (" + quantity(line.low[i], "W") + " \u2013 " + quantity(line.high[i], "W") + ")" : ""), line.watts[i]]);
			const have = rows.filter(row => known(row[3])), sum = have.reduce((a, row) => a + row[3], 0);
			return [stepName(i), stack ? rows.reverse() : rows.sort((a, b) => (b[3] ?? -1) - (a[3] ?? -1)),
				on.length > 1 && have.length ? [have.length < on.length ? "sum of " + have.length + " of " + on.length : "sum", quantity(sum, "W")] : null];
		}
	});
	const note = byId("power").querySelector(".strip-note");
	if (note)
		note.remove();
	if (stack && middles.some((t, i) => missing(i)))
		byId("power").append(element("p", {class: "strip-note"}, element("span", {class: "pattern"}), "the power of some of these nodes is not known: the sum is too low"));
	else if (!stack && on.length && on.length <= 3 && on.some(line => line.low))
		byId("power").append(element("p", {class: "strip-note"}, data.source === "readings" ? "shaded: from the lowest to the highest reading" :
			"shaded: from the lowest " + (data.source === "hours" ? "hourly" : "daily") + " mean to the highest reading"));
	tableBeside("power", "Table of power", ["Time", ...powered.map(line => line.name), "All"], () => middles.map((t, i) =>
		[stepName(i), ...powered.map(line => quantity(line.watts[i], "W")), quantity(data.all.fleet.watts[i], "W")]));
}

/* --- CPU, GPU, memory, and what the whole machine draws ------------------------------------- */

const partNames = {cpu: "CPU", gpu: "GPU", dram: "Memory", platform: "Whole machine"};

function parts() {
	const select = byId("parts-of");
	const of = select.value === "fleet" ? data.all.fleet : lines[+select.value];
	const found = of ? ["cpu", "gpu", "dram"].filter(part => (of[part] || []).some(known)) : [];
	const platform = of && (of.platform || []).some(known);
	if (!found.length && !platform) {
		byId("parts-legend").replaceChildren();
		return empty("parts", "No part is known by itself in this time.");
	}
	for (const old of byId("parts").querySelectorAll(".empty"))
		old.remove();
	const sum = new Array(steps).fill(0);
	const stacks = found.map(part => of[part].map((watts, i) => known(watts) ? sum[i] += watts : null));
	const order = found.map((part, i) => i).reverse();
	byId("parts-legend").replaceChildren(...[...found, ...platform ? ["platform"] : []].map(part => element("span", null, swatch(part, part === "platform"), partNames[part])));
	const missing = i => select.value === "fleet" && middles[i] < Math.min(data.made, data.to) && of.known[i] < data.all.withPower;
	chart("parts", {
		label: "Power by part, in watts.", linked: true, ratio: .46, tallest: 280,
		data: [middles, ...order.map(i => stacks[i]), ...platform ? [of.platform] : []],
		series: [...order.map(i => ({stroke: () => colour(found[i]), width: 1, fill: () => soft(found[i]), points: {size: 4}})),
			...platform ? [{stroke: () => colour("platform"), width: 1.75, dash: [5, 3], points: {size: 4}}] : []],
		axes: [timeAxis(), valueAxis("W")],
		hooks: {draw: [u => hatchAll(u, missing)]},
		tell: i => [stepName(i), [...platform ? ["platform"] : [], ...found.slice().reverse()].map(part =>
			[colour(part), partNames[part], quantity(of[part][i], "W")]), null]
	});
	const all = [...found, ...platform ? ["platform"] : []];
	tableBeside("parts", "Table of parts", ["Time", ...all.map(part => partNames[part])], () => middles.map((t, i) =>
		[stepName(i), ...all.map(part => quantity(of[part][i], "W"))]));
}

/* --- temperature ------------------------------------------------------------------------------ */

let heatOf = lines.some(line => line.cpuTemp) || !lines.some(line => line.gpuTemp) ? "cpuTemp" : "gpuTemp";
const degrees = value => known(value) ? value.toFixed(1) + "\u00a0\u00b0C" : "\u2013";

function temperature() {
	const all = lines.filter(line => line[heatOf]), on = all.filter(line => line.on);
	if (!all.length)
		return empty("temperature", "No temperature was read in this time.");
	for (const old of byId("temperature").querySelectorAll(".empty"))
		old.remove();
	chart("temperature", {
		label: "Temperature of " + on.length + " nodes over time, in degrees Celsius.", linked: true, ratio: .46, tallest: 280,
		data: [middles, ...on.map(line => line[heatOf])],
		series: on.map(line => ({stroke: () => colour(line.colour), width: 1.5, dash: line.dash ? [6, 3] : undefined, points: {size: 4}})),
		axes: [timeAxis(), valueAxis("\u00b0C")],
		scales: {y: {range: (u, min, max) => known(min) ? [Math.floor((min - 3) / 5) * 5, Math.ceil((max + 3) / 5) * 5] : [0, 100]}},
		tell: i => [stepName(i), on.map(line => [colour(line.colour), line.name, degrees(line[heatOf][i]), line[heatOf][i]]).sort((a, b) => (b[3] ?? -1) - (a[3] ?? -1)), null]
	});
	tableBeside("temperature", "Table of temperatures", ["Time", ...all.map(line => line.name)], () => middles.map((t, i) =>
		[stepName(i), ...all.map(line => degrees(line[heatOf][i]))]));
}

/* --- energy by day ---------------------------------------------------------------------------- */

function energy() {
	const rows = data.days.rows || [], monthly = data.days.step === "month";
	byId("energy-note").textContent = monthly ? "by month, whole fleet" : "by day, whole fleet";
	if (!rows.some(row => known(row.kwh)))
		return empty("energy", "No totals in this time. They are made every few minutes by the worker, or by tribe_power_upkeep().");
	const name = t => monthly ? months[local(t).getUTCMonth()] + " " + local(t).getUTCFullYear() : dated(t);
	const some = rows.some(row => known(row.kwh) && row.coverage < .9995);
	byId("energy-legend").replaceChildren(element("span", null, swatch("accent"), "measured"),
		...some ? [element("span", null, element("span", {class: "pattern"}), "not measured, at the same mean power")] : []);
	const bars = uPlot.paths.bars({size: [.82, 56], radius: .12});
	const xs = rows.map((row, i) => i);
	chart("energy", {
		label: "Energy by " + data.days.step + ", in kilowatt hours.", ratio: .46, tallest: 280,
		/* half a bar of room, or the first and the last one are cut */
		range: () => [-.6, rows.length - .4],
		data: [xs, rows.map(row => known(row.kwh) ? Math.max(row.estimated || 0, row.kwh) : null), rows.map(row => row.kwh)],
		series: [{stroke: () => colour("hatch"), width: 1, fill: u => pattern(u), paths: bars, points: {show: false}},
			{stroke: () => colour("accent"), width: 0, fill: () => colour("accent"), paths: bars, points: {show: false}}],
		axes: [{...timeAxis(), incrs: undefined, ticks: {show: false}, size: 40,
			splits: u => xs.filter(x => x % Math.max(1, Math.ceil(rows.length * 54 / Math.max(u.width - 60, 54))) === 0),
			values: (u, ticks) => ticks.map((x, n) => monthly ? months[local(rows[x].at).getUTCMonth()] + "\n" + local(rows[x].at).getUTCFullYear() :
				(rows.length <= 14 ? weekdays[local(rows[x].at).getUTCDay()] + "\n" : "") + day(rows[x].at))}, valueAxis("kWh")],
		tell: i => [name(rows[i].at), [[colour("accent"), "measured", quantity(rows[i].kwh, "kWh")],
			...known(rows[i].estimated) && rows[i].coverage < .9995 ? [[colour("hatch"), "estimated for all of it", quantity(rows[i].estimated, "kWh")]] : []],
			["coverage", percent(rows[i].coverage)]]
	});
	tableBeside("energy", "Table of energy", [monthly ? "Month" : "Day", "Measured", "Coverage", "Estimated", "From counters", "Nodes"], () => rows.map(row =>
		[name(row.at), quantity(row.kwh, "kWh"), percent(row.coverage), quantity(row.estimated, "kWh"), quantity(row.counter, "kWh"), known(row.nodes) ? String(row.nodes) : "\u2013"]));
}

function pattern(u) {
	const tileOf = document.createElement("canvas"), ratio = devicePixelRatio, size = Math.round(6 * ratio);
	tileOf.width = tileOf.height = size;
	const ctx = tileOf.getContext("2d");
	ctx.strokeStyle = colour("hatch");
	ctx.lineWidth = ratio;
	for (const shift of [-size, 0, size]) {
		ctx.moveTo(shift, size);
		ctx.lineTo(shift + size, 0);
	}
	ctx.stroke();
	return u.ctx.createPattern(tileOf, "repeat");
}

/* --- all of it ---------------------------------------------------------------------------------- */

function draw() {
	power();
	parts();
	temperature();
	energy();
	week();
}

function begin() {
	const end = data.step >= DAY ? data.to - 1 : data.to;
	byId("range").textContent = (data.source === "days" ? dated(data.from) + " \u2013 " + dated(end) : moment(data.from) + " \u2013 " + moment(data.to)) +
		" \u00b7 " + visible(data.zone) + " \u00b7 from " + {readings: "readings", hours: "hourly totals", days: "daily totals"}[data.source];
	document.title = "Fleet power, " + dated(data.from) + " \u2013 " + dated(end);
	byId("made").textContent = "Made " + moment(data.made) + " by tribe_power " + data.version + ". Charts by uPlot (MIT).";
	tiles();
	nodeChips();
	if (powered.length > 1)
		buttons("mode", [[true, "Stacked"], [false, "Lines"]], stacked, value => { stacked = value; nodeChips(); power(); });
	buttons("temperature-of", [["cpuTemp", "CPU"], ["gpuTemp", "GPU"]], heatOf, value => { heatOf = value; temperature(); });
	const select = byId("parts-of");
	select.append(element("option", {value: "fleet"}, "all nodes"),
		...lines.map((line, i) => line.others ? null : element("option", {value: i}, visible(line.name))).filter(Boolean));
	select.addEventListener("change", parts);
	byId("zoom-out").addEventListener("click", () => zoomTo(...whole));
	byId("filter").addEventListener("input", nodeTable);
	draw();
	nodeTable();
	problems();
	events();
	holes();

	let late;
	window.addEventListener("resize", () => {
		clearTimeout(late);
		late = setTimeout(() => Object.values(charts).forEach(u => u.fit()), 80);
	});
	matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
	/* paper is white, and as wide as it is */
	window.addEventListener("beforeprint", () => {
		document.documentElement.dataset.theme = "light";
		document.documentElement.dataset.print = "";
		draw();
	});
	window.addEventListener("afterprint", () => {
		delete document.documentElement.dataset.theme;
		delete document.documentElement.dataset.print;
		draw();
	});
}

begin();
