/*
 * charts.js: the charts over time, drawn by uPlot.  A step's value stands in the
 * middle of the step; what is not known is null and stays a gap.
 */

const charts = {};					/* by the id of their place */
const middles = edges.slice(1).map((edge, i) => (edges[i] + edge) / 2);
const whole = [edges[0], edges[steps]];
let zoom = whole.slice();

/* --- the axis of time ------------------------------------------------------------------- */

const increments = [1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200,
	DAY, 2 * DAY, 3 * DAY, 7 * DAY, 14 * DAY, 31 * DAY, 92 * DAY, 183 * DAY, 366 * DAY];

function timeTicks(u, axis, min, max, increment) {
	const ticks = [];
	if (increment > 14 * DAY) {
		const each = Math.round(increment / (30.5 * DAY)), start = local(min);
		for (let month = Math.floor(start.getUTCMonth() / each) * each; ticks.length < 100; month += each) {
			const t = instant(Date.UTC(start.getUTCFullYear(), month, 1) / 1000);
			if (t > max)
				break;
			if (t >= min)
				ticks.push(t);
		}
		return ticks;
	}
	/* weeks begin on Monday; 1970 began on a Thursday */
	const shift = increment >= 7 * DAY ? 4 * DAY : 0;
	let wall = Math.ceil((min + offset(min) - shift) / increment) * increment + shift;
	for (; ticks.length < 200; wall += increment) {
		const t = instant(wall);
		if (t > max)
			break;
		if (t >= min && !(t <= ticks[ticks.length - 1]))
			ticks.push(t);
	}
	return ticks;
}

function timeLabels(u, ticks, axis, space, increment) {
	let before = null;
	return ticks.map(t => {
		const year = local(t).getUTCFullYear();
		if (increment > 14 * DAY)
			return months[local(t).getUTCMonth()] + (year !== before && (before = year) ? "\n" + year : "");
		const today = day(t);
		const first = today !== before;
		before = today;
		if (increment >= DAY)
			return increment < 7 * DAY ? weekdays[local(t).getUTCDay()] + "\n" + today : today;
		return clock(t, increment < 60) + (first ? "\n" + today : "");
	});
}

/* --- axes, and what is drawn under the lines ----------------------------------------- */

const axisFont = () => "12px " + getComputedStyle(document.body).fontFamily;

const timeAxis = () => ({
	stroke: () => colour("muted"), font: axisFont(), grid: {show: false}, ticks: {stroke: () => colour("line"), size: 5},
	incrs: increments, splits: timeTicks, values: timeLabels, space: 56, size: 44
});

function valueAxis(unit) {
	return {
		stroke: () => colour("muted"), font: axisFont(), grid: {stroke: () => colour("grid"), width: 1}, ticks: {show: false}, border: {show: false},
		space: 34, size: (u, values) => values ? Math.max(40, ...values.map(v => v ? v.length * 7 + 12 : 0)) : 40,
		values: (u, ticks) => {
			const largest = Math.max(...ticks.map(Math.abs));
			const [by, name] = unit === "W" && largest >= 1e4 ? [1e3, "kW"] : unit === "kWh" && largest < 1 ? [1e-3, "Wh"] :
				unit === "kWh" && largest >= 1e4 ? [1e3, "MWh"] : [1, unit];
			return ticks.map(v => +(v / by).toPrecision(12) + "\u00a0" + name);
		}
	};
}

/* From 0 on: power and energy are compared by their lengths. */
const fromZero = (u, min, max) => [0, known(max) && max > 0 ? max * 1.06 : 1];

function hatch(u, from, to, top, height) {
	const ctx = u.ctx, x0 = Math.max(u.valToPos(from, "x", true), u.bbox.left),
		x1 = Math.min(u.valToPos(to, "x", true), u.bbox.left + u.bbox.width);
	if (!(x1 > x0))
		return;
	ctx.save();
	ctx.beginPath();
	ctx.rect(x0, top, x1 - x0, height);
	ctx.clip();
	ctx.strokeStyle = colour("hatch");
	ctx.globalAlpha = .55;
	ctx.lineWidth = devicePixelRatio;
	const gap = 6 * devicePixelRatio;
	ctx.beginPath();
	for (let x = Math.floor((x0 - height) / gap) * gap; x < x1; x += gap) {
		ctx.moveTo(x, top + height);
		ctx.lineTo(x + height, top);
	}
	ctx.stroke();
	ctx.restore();
}

function hatchAll(u, which) {
	for (let from = 0; from < steps; from++) {
		if (!which(from))
			continue;
		let to = from;
		while (to + 1 < steps && which(to + 1))
			to++;
		hatch(u, edges[from], edges[to + 1], u.bbox.top, u.bbox.height);
		from = to;
	}
}

/* levels: [[watts, name, words], ...] from the lowest on; what lies above one is tinted with its colour. */
function budgetBands(u, levels) {
	const ctx = u.ctx, box = u.bbox, ratio = devicePixelRatio, top = u.scales.y.max, set = levels.filter(level => known(level[0]));
	ctx.save();
	set.forEach(([watts, name], i) => {
		if (watts > top)
			return;
		const y0 = u.valToPos(watts, "y", true), y1 = u.valToPos(Math.min(i + 1 < set.length ? set[i + 1][0] : top, top), "y", true);
		ctx.fillStyle = colour(name);
		if (name !== "idle") {
			ctx.globalAlpha = .08;
			ctx.fillRect(box.left, y1, box.width, y0 - y1);
		}
		ctx.globalAlpha = .8;
		ctx.strokeStyle = ctx.fillStyle;
		ctx.lineWidth = ratio;
		ctx.setLineDash([4 * ratio, 3 * ratio]);
		ctx.beginPath();
		ctx.moveTo(box.left, y0);
		ctx.lineTo(box.left + box.width, y0);
		ctx.stroke();
	});
	ctx.restore();
}

/* Their names go above the lines, or a filled area would hide them. */
function budgetNames(u, levels) {
	const ctx = u.ctx, ratio = devicePixelRatio;
	ctx.save();
	ctx.font = 11 * ratio + "px " + getComputedStyle(document.body).fontFamily;
	ctx.textAlign = "right";
	let last = Infinity;
	for (const [watts, name, words] of levels) {
		if (!known(watts) || watts > u.scales.y.max)
			continue;
		const y = u.valToPos(watts, "y", true) - 4 * ratio;
		if (last - y < 12 * ratio)
			continue;
		last = y;
		ctx.lineWidth = 3 * ratio;
		ctx.lineJoin = "round";
		ctx.strokeStyle = colour("card");
		ctx.strokeText(words + " " + quantity(watts, "W"), u.bbox.left + u.bbox.width - 4 * ratio, y);
		ctx.fillStyle = colour(name);
		ctx.fillText(words + " " + quantity(watts, "W"), u.bbox.left + u.bbox.width - 4 * ratio, y);
	}
	ctx.restore();
}

function envelope(u, low, high, stroke) {
	const ctx = u.ctx;
	ctx.save();
	ctx.beginPath();
	ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
	ctx.clip();
	ctx.fillStyle = stroke;
	ctx.globalAlpha = .16;
	for (let from = 0; from < steps; from++) {
		if (!known(high[from]))
			continue;
		let to = from;
		while (to + 1 < steps && known(high[to + 1]))
			to++;
		ctx.beginPath();
		for (let i = from; i <= to; i++)
			ctx.lineTo(u.valToPos(middles[i], "x", true), u.valToPos(high[i], "y", true));
		for (let i = to; i >= from; i--)
			ctx.lineTo(u.valToPos(middles[i], "x", true), u.valToPos(low[i], "y", true));
		ctx.fill();
		from = to;
	}
	ctx.restore();
}

/* --- the value under the pointer ------------------------------------------------------- */

function placeTip(u, tip, left, top) {
	tip.hidden = false;
	const room = u.root.parentNode.clientWidth, x = u.over.offsetLeft + left;
	const width = tip.offsetWidth, height = tip.offsetHeight;
	tip.style.left = Math.max(0, Math.min(x + 14 + width > room ? x - 14 - width : x + 14, room - width)) + "px";
	tip.style.top = Math.max(0, Math.min(u.over.offsetTop + top - height / 2, u.root.offsetHeight - height)) + "px";
}

/* tell(index) gives [heading, [[colour, name, value in words], ...], total in words or null]. */
function tipOf(u, tip, tell, index) {
	const [heading, rows, total] = tell(index);
	const body = element("tbody");
	for (const [stroke, name, value] of rows.slice(0, 14)) {
		const swatch = element("svg", {class: "swatch", viewBox: "0 0 18 10", "aria-hidden": "true"}, element("rect", {y: 1, width: 10, height: 8, rx: 2}));
		swatch.firstChild.style.fill = stroke;
		body.append(element("tr", null, element("td", null, swatch, shown(name)), element("td", null, value)));
	}
	if (total)
		body.append(element("tr", {class: "total"}, element("td", null, total[0]), element("td", null, total[1])));
	tip.replaceChildren(element("div", null, heading), element("table", {role: "presentation"}, body));
}

/* --- one chart: made anew whenever what it shows changes ------------------------------- */

/*
 * chart(id, {label, data, series, bands, axes, scales, hooks, tell, linked}): puts
 * it into #id; linked ones share zoom and pointer.  The place can be reached by Tab:
 * arrows move the pointer, + and - zoom, 0 or Escape show all.
 */
function chart(id, what) {
	const place = byId(id), old = charts[id];
	if (old) {
		old.destroy();
		place.replaceChildren(...[...place.children].filter(child => child.tagName === "DETAILS"));
	}
	const frame = element("div", {class: "plot", tabindex: 0, role: "group", "aria-label": what.label +
		" A table with the values follows." + (what.linked ? " Arrow keys move along it, plus and minus zoom, 0 shows all." : " Arrow keys move along it.")});
	const tip = element("div", {class: "tip", hidden: true});
	const live = element("div", {class: "sr", "aria-live": "polite"});
	place.prepend(frame, tip, live);
	const width = () => Math.max(frame.clientWidth, 200);
	const height = () => Math.round(Math.min(Math.max(width() * (what.ratio || .34), 210), what.tallest || 340));
	const move = u => {
		const index = u.cursor.idx;
		if (!known(index) || u.cursor.left < 0) {
			tip.hidden = true;
			return;
		}
		tipOf(u, tip, what.tell, index);
		placeTip(u, tip, u.cursor.left, u.cursor.top);
	};
	const u = new uPlot({
		width: width(), height: height(), legend: {show: false}, padding: [12, 20, 0, 0],
		cursor: {drag: {x: !!what.linked, y: false, setScale: false}, y: false, points: {size: 7}, ...what.linked ? {sync: {key: "time", setSeries: false}} : {}},
		focus: {alpha: 1},
		scales: {x: {time: false, range: what.range || (() => zoom)}, y: {range: fromZero}, ...what.scales},
		series: [{}, ...what.series], bands: what.bands || [], axes: what.axes,
		hooks: {
			...what.hooks,
			setCursor: [u => u.cursor.event || frame === document.activeElement ? move(u) : tip.hidden = true],
			setSelect: [u => {
				if (u.select.width > 6)
					zoomTo(u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x"));
				u.setSelect({left: 0, width: 0, top: 0, height: 0}, false);
			}]
		}
	}, what.data, frame);
	u.over.addEventListener("mouseleave", () => tip.hidden = true);
	if (what.linked)
		u.over.addEventListener("dblclick", () => zoomTo(...whole));
	frame.addEventListener("blur", () => tip.hidden = true);
	frame.addEventListener("keydown", event => {
		const xs = what.data[0], at = known(u.cursor.idx) ? u.cursor.idx : u.valToIdx(u.scales.x.min) - 1;
		const stride = event.shiftKey ? Math.max(1, Math.round(xs.length / 20)) : 1;
		let to = null;
		if (event.key === "ArrowLeft")
			to = at - stride;
		else if (event.key === "ArrowRight")
			to = at + stride;
		else if (event.key === "Home")
			to = 0;
		else if (event.key === "End")
			to = xs.length - 1;
		else if (what.linked && (event.key === "+" || event.key === "=" || event.key === "-")) {
			const centre = known(u.cursor.idx) ? xs[u.cursor.idx] : (zoom[0] + zoom[1]) / 2;
			const half = (zoom[1] - zoom[0]) * (event.key === "-" ? 1 : .25);
			zoomTo(centre - half, centre + half);
		} else if (what.linked && (event.key === "0" || event.key === "Escape"))
			zoomTo(...whole);
		else
			return;
		event.preventDefault();
		if (to === null)
			return;
		to = Math.min(Math.max(to, 0), xs.length - 1);
		u.setCursor({left: u.valToPos(xs[to], "x"), top: u.over.clientHeight / 2}, true);
		move(u);
		const [heading, rows, total] = what.tell(to);
		live.textContent = heading + ": " + [...rows.map(row => visible(row[1]) + " " + row[2]), ...total ? [total.join(" ")] : []].join(", ");
	});
	u.fit = () => u.setSize({width: width(), height: height()});
	charts[id] = u;
	return u;
}

function zoomTo(from, to) {
	const least = Math.min(4 * data.step, whole[1] - whole[0]);
	from = Math.max(from, whole[0]);
	to = Math.min(to, whole[1]);
	if (to - from < least) {
		const centre = Math.min(Math.max((from + to) / 2, whole[0] + least / 2), whole[1] - least / 2);
		from = centre - least / 2;
		to = centre + least / 2;
	}
	zoom = [from, to];
	byId("zoom-out").disabled = from <= whole[0] && to >= whole[1];
	for (const id of ["power", "parts", "temperature"])
		if (charts[id])
			charts[id].setData(charts[id].data, true);
}

/* A table of the same numbers, made when it is opened: it may be long. */
function tableBeside(id, words, head, rows) {
	const place = byId(id);
	for (const old of place.querySelectorAll("details"))
		old.remove();
	const details = element("details", null, element("summary", null, words));
	details.addEventListener("toggle", () => {
		if (!details.open || details.children.length > 1)
			return;
		const body = element("tbody");
		for (const [first, ...cells] of rows())
			body.append(element("tr", null, element("th", {scope: "row"}, first), ...cells.map(cell => element("td", {class: "n"}, cell))));
		details.append(element("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": words}, element("table", null,
			element("thead", null, element("tr", null, ...head.map((cell, i) => element("th", {scope: "col", class: i ? "n" : null},
				i ? shown(cell) : cell)))), body)));
	});
	place.append(details);
}
