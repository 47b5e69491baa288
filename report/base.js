/*
 * base.js: what the rest of the page's script stands on: the data, elements,
 * numbers and time in words.
 *
 * The data are what nodes and registry said: text goes to the page by
 * textContent alone, never as markup.
 */
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const byId = id => document.getElementById(id);

/* element("td", {class: "n"}, "text", node, ...): attributes, then what it holds. */
function element(tag, attributes, ...children) {
	const svg = ["svg", "path", "line", "rect", "circle"].includes(tag);
	const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
	for (const [name, value] of Object.entries(attributes || {}))
		if (value !== null && value !== undefined && value !== false)
			made.setAttribute(name, value === true ? "" : value);
	made.append(...children.filter(child => child !== null && child !== undefined));
	return made;
}

/* Characters that can't be seen, or turn the direction of their neighbours, as their codes. */
const unseen = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
const visible = text => String(text).replace(unseen,
	c => "\u2039U+" + c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0") + "\u203a");

/* The same for the page, with those codes set apart, and isolated from the text around. */
function shown(text, attributes) {
	const made = element("bdi", attributes);
	let from = 0;
	text = String(text);
	for (const match of text.matchAll(unseen)) {
		made.append(text.slice(from, match.index), element("span", {class: "odd"}, visible(match[0])));
		from = match.index + match[0].length;
	}
	made.append(text.slice(from));
	return made;
}

/* --- numbers: at least three digits that mean something ---------------------------- */

const known = value => typeof value === "number" && isFinite(value);

function digits(value, unit) {
	const size = Math.abs(value);
	const places = size >= 100 || (unit === "W" && size >= 1000) ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size === 0 ? 0 : 3;
	return value.toLocaleString("en-GB", {minimumFractionDigits: places, maximumFractionDigits: places}).replace(/,/g, "\u2009");
}

/* [number, unit]: 1234 W are 1.23 kW only where there is little room, so from 10 kW on. */
function scaled(value, unit) {
	if (unit === "W" && Math.abs(value) >= 1e6)
		return [digits(value / 1e6), "MW"];
	if (unit === "W" && Math.abs(value) >= 1e4)
		return [digits(value / 1e3), "kW"];
	if (unit === "kWh" && Math.abs(value) >= 1e4)
		return [digits(value / 1e3), "MWh"];
	if (unit === "kWh" && Math.abs(value) < 1 && value !== 0)
		return [digits(value * 1e3), "Wh"];
	if (unit === "W" && Math.abs(value) < 1000)
		return [value.toFixed(1), "W"];
	return [digits(value, unit), unit];
}

const quantity = (value, unit) => known(value) ? scaled(value, unit).join("\u00a0") : "\u2013";

/* 99.96 % is not all: rounded down. */
const percent = share => !known(share) ? "\u2013" :
	share >= 1 ? "100\u00a0%" : (Math.floor(share * 1000) / 10).toFixed(share >= .9995 ? 1 : share < .1 ? 1 : 0) + "\u00a0%";

/* --- time, in the zone that days are counted in --------------------------------------- */

const DAY = 86400;
const weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function offset(t) {
	let away = data.offsets[0][1];
	for (const [from, seconds] of data.offsets)
		if (t >= from)
			away = seconds;
	return away;
}

/* Its UTC getters give local time. */
const local = t => new Date((t + offset(t)) * 1000);

/* The time at which local clocks show these seconds since 1970. */
function instant(wall) {
	const guess = wall - offset(wall - data.offsets[0][1]);
	return wall - offset(guess);
}

const two = number => String(number).padStart(2, "0");
const clock = (t, seconds) => {
	const l = local(t);
	return two(l.getUTCHours()) + ":" + two(l.getUTCMinutes()) + (seconds ? ":" + two(l.getUTCSeconds()) : "");
};
const day = t => local(t).getUTCDate() + "\u00a0" + months[local(t).getUTCMonth()];
const date = t => weekdays[local(t).getUTCDay()] + "\u00a0" + day(t);
const dated = t => date(t) + " " + local(t).getUTCFullYear();
const moment = t => dated(t) + ", " + clock(t, false);

function duration(seconds) {
	const parts = [[DAY, "d"], [3600, "h"], [60, "min"], [1, "s"]];
	const first = parts.findIndex(([size]) => seconds >= size);
	if (first < 0)
		return "0\u00a0s";
	const [size, unit] = parts[first];
	const whole = Math.floor(seconds / size);
	const next = parts[first + 1];
	const rest = next ? Math.floor((seconds - whole * size) / next[0]) : 0;
	return whole + "\u00a0" + unit + (rest ? " " + rest + "\u00a0" + next[1] : "");
}

const edges = data.edges;
const steps = edges.length - 1;

/* One step of the charts, in words. */
function stepName(index) {
	const from = edges[index], to = edges[index + 1];
	if (data.step >= DAY)
		return to - from > 1.5 * DAY ? dated(from) + " \u2013 " + dated(to - 1) : dated(from);
	return date(from) + ", " + clock(from, data.step < 60) + "\u2013" + clock(to, data.step < 60);
}

/* As #rrggbb. */
function colour(name) {
	const value = getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
	return value.length === 4 ? value.replace(/[0-9a-f]/gi, "$&$&") : value;
}

const rgb = hex => [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16));

/* Between two colours, from 0 to 1. */
function blend(from, to, share) {
	const a = rgb(colour(from)), b = rgb(colour(to));
	return "rgb(" + a.map((v, i) => Math.round(v + (b[i] - v) * share)).join(" ") + ")";
}

/* For areas: opaque, for they lie on one another. */
const soft = name => blend("card", name, .78);
