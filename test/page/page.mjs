// page.mjs FOLDER: the pages that test/page/run wrote there, in a real Chromium:
// fleet.html, hostile.html, empty.html and year.html, with fleet.json, what the
// database says.  TAP to stdout.
import { readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { ok, is, done } from "./tap.mjs";

const folder = process.argv[2];
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
	executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
	args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync"]
});

// A page, with all that it said and asked for.
async function open(name, options = {}) {
	const page = await browser.newPage({viewport: {width: 1280, height: 900}, colorScheme: "light", ...options});
	page.said = [];
	page.asked = [];
	// reading the pixels back is the test's own doing
	page.on("console", message => message.text().startsWith("Canvas2D: Multiple readback") || page.said.push(message.text()));
	page.on("pageerror", error => page.said.push(error.stack));
	page.on("request", request => page.asked.push(request.url()));
	await page.goto(`file://${folder}/${name}.html`);
	await page.waitForFunction(() => document.querySelector("#nodes table, #nodes .empty"));
	return page;
}

// How much of a chart's plotting area is of one of its colours, between two x (0 to 1).
const inked = (page, id, from = 0, to = 1) => page.evaluate(([id, from, to]) => {
	const u = charts[id], box = u.bbox, width = Math.max(1, Math.round(box.width * (to - from)));
	const pixels = u.ctx.getImageData(Math.round(box.left + box.width * from), box.top, width, box.height).data;
	let found = 0;
	for (let i = 0; i < pixels.length; i += 4)
		// colours, not the greys of grid and hatching
		if (pixels[i + 3] > 200 && Math.max(pixels[i], pixels[i + 1], pixels[i + 2]) - Math.min(pixels[i], pixels[i + 1], pixels[i + 2]) > 60)
			found++;
	return found / (pixels.length / 4);
}, [id, from, to]);

const pixelsOf = (page, id) => page.evaluate(id => charts[id].ctx.canvas.toDataURL(), id);

async function table(page, id) {
	const details = page.locator(`#${id} details`);
	if (await details.getAttribute("open") === null)
		await details.locator("summary").click();
	await details.locator("td").first().waitFor();
	return details.locator("tr").evaluateAll(rows => rows.map(row => [...row.children].map(cell => cell.textContent)));
}

async function serious(page, words) {
	await page.evaluate(axe);
	const result = await page.evaluate(() => axe.run(document, {resultTypes: ["violations"]}));
	const found = result.violations.filter(v => ["serious", "critical"].includes(v.impact));
	is(found.map(v => [v.id, v.nodes.slice(0, 3).map(n => n.html.slice(0, 120) + " " + n.failureSummary)]), [], words);
}

// --- the fleet ------------------------------------------------------------------------

{
	const page = await open("fleet"), truth = JSON.parse(readFileSync(`${folder}/fleet.json`, "utf8"));
	const facts = await page.evaluate(() => ({steps, edges: data.edges, made: data.made}));

	// drawn, with as many points as there are data
	for (const id of ["power", "parts", "temperature", "energy"])
		ok(await inked(page, id) > .01, `${id} is drawn`, await inked(page, id));
	is(await page.evaluate(() => charts.power.data[0].length), facts.steps, "a point a step");
	is(await page.evaluate(() => charts.power.data.slice(1).map(column => column.filter(v => v !== null).length).sort()),
		await page.evaluate(() => data.all.series.filter(s => s.watts.some(v => v !== null)).map(s => s.watts.filter(v => v !== null).length).sort()),
		"a point a value that is known");
	is(await page.evaluate(() => charts.energy.data[2].filter(v => v !== null).length), truth.days.length, "a bar a day that has energy");

	// the tables say what the database says
	const power = await table(page, "power"), energy = await table(page, "energy");
	is(power.length, facts.steps + 1, "the table beside it has all steps");
	const wh = text => { const [value, unit] = text.replace(/\u2009/g, "").split("\u00a0"); return +value * ({Wh: 1, kWh: 1e3, MWh: 1e6})[unit]; };
	ok(truth.days.every(day => energy.some(row => row[0].startsWith(day.label) && Math.abs(wh(row[1]) / 1e3 - day.kwh) <= Math.max(.01, day.kwh * .006))),
		"kWh by day are those of tribe_power_energy()", energy, truth.days);
	const nodes = await page.locator("#nodes tbody tr").evaluateAll(rows => rows.map(row => [...row.children].map(cell => cell.textContent)));
	ok(truth.nodes.every(node => nodes.some(row => row[0] === node.name && Math.abs(wh(row[7]) / 1e3 - node.kwh) <= Math.max(.01, node.kwh * .006))),
		"kWh by node are those of the readings", nodes, truth.nodes);
	ok(nodes.some(row => row[0] === "thirdfin" && row[1].includes("failing") && row[1].includes("no answer from the node")), "a node that fails says why", nodes);

	// under the pointer: what the table has
	const plot = page.locator("#power .u-over");
	await plot.scrollIntoViewIfNeeded();
	const box = await plot.boundingBox();
	await page.mouse.move(box.x + box.width * .4, box.y + box.height * .5);
	const tip = await page.locator("#power .tip").evaluate(tip => ({heading: tip.firstChild.textContent,
		rows: [...tip.querySelectorAll("tr:not(.total)")].map(row => [...row.children].map(cell => cell.textContent))}));
	const row = power.find(row => row[0] === tip.heading);
	ok(row && tip.rows.length === power[0].length - 2 && tip.rows.every(([name, value]) => row[power[0].indexOf(name)] === value),
		"under the pointer stands what the table has", tip, row);
	await page.mouse.move(5, 5);

	// a hole is a hole: the hub was down for two hours, 5 days and 2 hours before the end
	const at = seconds => (facts.edges[facts.steps] - seconds - facts.edges[0]) / (facts.edges[facts.steps] - facts.edges[0]);
	const hole = at(5 * 86400 + 2 * 3600);
	await page.getByRole("button", {name: "Lines"}).click();
	is([await inked(page, "power", hole - .002, hole + .002) === 0, await inked(page, "power", hole - .04, hole - .02) > 0, await inked(page, "power", hole + .02, hole + .04) > 0],
		[true, true, true], "a hole is a hole, with lines on both sides");
	await page.getByRole("button", {name: "Stacked"}).click();
	is(await inked(page, "power", hole - .002, hole + .002), 0, "also where they are stacked");

	// hide and show
	const before = await pixelsOf(page, "power"), chip = page.locator("#nodes-shown button", {hasText: "redfin"});
	const columns = () => page.evaluate(() => charts.power.series.slice(1).map(s => s.label));
	const all = await columns();
	await chip.click();
	is([await chip.getAttribute("aria-pressed"), await columns()], ["false", all.filter(name => name !== "redfin")], "a click hides a node");
	ok(await pixelsOf(page, "power") !== before, "and the picture changes");
	await chip.click();
	is([await columns(), await pixelsOf(page, "power") === before], [all, true], "another one shows it again, as it was");
	await chip.click({modifiers: ["Shift"]});
	is(await columns(), ["redfin"], "with Shift it stays alone");
	await page.mouse.move(box.x + box.width * .4, box.y + box.height * .5);
	ok(/\d W \(\d.* W \u2013 \d.* W\)/.test((await page.locator("#power .tip").textContent()).replace(/\u00a0/g, " ")), "with lowest and highest", await page.locator("#power .tip").textContent());
	await chip.click({modifiers: ["Shift"]});

	// zoom
	const range = () => page.evaluate(() => ["power", "parts", "temperature"].map(id => [charts[id].scales.x.min, charts[id].scales.x.max]));
	const whole = await range();
	await plot.scrollIntoViewIfNeeded();
	const now = await plot.boundingBox();
	await page.mouse.move(now.x + now.width * .25, now.y + 50);
	await page.mouse.down();
	await page.mouse.move(now.x + now.width * .5, now.y + 60, {steps: 5});
	await page.mouse.up();
	await page.waitForTimeout(50);
	const near = await range(), span = whole[0][1] - whole[0][0];
	ok(near.every(([from, to]) => Math.abs(to - from - span / 4) < span / 50 && Math.abs(from - whole[0][0] - span / 4) < span / 50), "dragging zooms, in all charts over time", near, whole);
	await page.getByRole("button", {name: "Reset zoom"}).click();
	await page.waitForTimeout(50);
	is([await range(), await page.getByRole("button", {name: "Reset zoom"}).isDisabled()], [whole, true], "and a button undoes it");

	// by keys
	await page.locator("#power .plot").focus();
	await page.keyboard.press("End");
	await page.keyboard.press("ArrowLeft");
	const told = await page.locator("#power [aria-live]").textContent();
	ok(told.startsWith(power[facts.steps - 1][0]) && told.includes("redfin " + power[facts.steps - 1][power[0].indexOf("redfin")]), "keys tell the values", told, power[facts.steps - 1]);
	await page.keyboard.press("+");
	await page.waitForTimeout(50);
	ok((await range())[0][1] - (await range())[0][0] < span * .6, "and zoom");
	await page.keyboard.press("Escape");
	await page.waitForTimeout(50);
	is(await range(), whole, "and undo it");

	// bars are whole at both ends
	const ends = await page.evaluate(() => {
		const u = charts.energy, box = u.bbox, accent = rgb(colour("accent"));
		const columns = [...Array(box.width).keys()].filter(x => {
			const p = u.ctx.getImageData(box.left + x, box.top + box.height - 12, 1, 1).data;
			return accent.every((v, i) => Math.abs(v - p[i]) < 8);
		});
		const runs = [];
		columns.forEach((x, i) => { if (i && columns[i - 1] === x - 1) runs[runs.length - 1]++; else runs.push(1); });
		return {runs, first: columns[0], last: box.width - 1 - columns[columns.length - 1]};
	});
	ok(ends.first > 0 && ends.last > 0 && Math.max(...ends.runs) - Math.min(...ends.runs) <= 2, "bars are whole at both ends", ends);

	// the week, sorting, finding, parts
	is(await page.locator("#week td:not(.none)").count(), await page.evaluate(() => data.week.cells.length), "an hour of the week each");
	await page.locator("#nodes thead").getByRole("button", {name: "Node"}).click();
	is([await page.locator("#nodes tbody th").first().textContent(), await page.locator("#nodes th[aria-sort]").getAttribute("aria-sort")], ["bluefin", "ascending"], "sorted by name");
	await page.locator("#filter").fill("sasass");
	is(await page.locator("#nodes tbody th").allTextContents(), ["sasass", "sasass2"], "found");
	await page.locator("#filter").fill("");
	await page.locator("#parts-of").selectOption({label: "redfin"});
	ok((await page.locator("#parts-legend").textContent()).includes("Whole machine"), "the parts of one node");
	await page.locator("#parts-of").selectOption({label: "sasass"});
	is(await page.evaluate(() => charts.parts.series.length - 1), 2, "and of another");
	await page.locator("#temperature-of").getByRole("button", {name: "GPU"}).click();
	is(await page.evaluate(() => charts.temperature.series.length - 1), await page.evaluate(() => data.all.series.filter(s => s.gpuTemp).length), "temperatures of GPUs");

	await serious(page, "nothing serious to an accessibility checker");

	// dark, at once
	const light = await pixelsOf(page, "power");
	await page.emulateMedia({colorScheme: "dark"});
	await page.waitForTimeout(100);
	const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number));
	ok(Math.max(...ground) < 40, "dark where that is wanted", ground);
	ok(await pixelsOf(page, "power") !== light, "the charts too");
	await serious(page, "nothing serious in the dark");

	// paper is light
	await page.evaluate(() => window.dispatchEvent(new Event("beforeprint")));
	await page.emulateMedia({media: "print", colorScheme: "dark"});
	is(await page.evaluate(() => [getComputedStyle(document.documentElement).getPropertyValue("--card").trim(),
		[...document.querySelectorAll(".card, .scroll")].every(card => card.scrollWidth <= card.clientWidth + 1)]), ["#fff", true], "paper is light, and charts and tables fit it");

	is(page.said, [], "no word on the console");
	is(page.asked.length, 1, "nothing was asked for but the page");
	// nothing but what the policy names can run; the browser says so
	await page.evaluate(() => document.body.append(Object.assign(document.createElement("script"), {textContent: "window.owned = 1"})));
	is(await page.evaluate(() => window.owned), undefined, "no other script runs");
	await page.close();
}

// --- small and large ----------------------------------------------------------------------

for (const name of ["fleet", "hostile", "year", "empty"])
	for (const width of [320, 768]) {
		const page = await open(name, {viewport: {width, height: 700}, isMobile: width === 320, hasTouch: width === 320});
		is(await page.evaluate(() => document.documentElement.scrollWidth), width, `${name}: ${width} px are wide enough`);
		await page.close();
	}

// --- hostile names -------------------------------------------------------------------------

{
	const page = await open("hostile");
	is(await page.evaluate(() => [window.owned, document.scripts.length, document.images.length]), [undefined, 3, 0], "names are no markup");
	const text = await page.evaluate(() => document.body.innerText);
	ok(text.includes("</script><script>window.owned = 1</script>") && text.includes("<img src=x onerror=\"window.owned = 1\">&amp;'\""), "but text, as they are");
	ok(text.includes("\u2039U+202E\u203a") && !/[\u200b\u202a-\u202e\u2066-\u2069]/.test(text), "what can't be seen is shown");
	await page.locator("#power .u-over").hover();
	ok((await page.locator("#power .tip").textContent()).includes("</script>"), "also under the pointer");
	ok(!/[\u200b\u202a-\u202e]/.test(readFileSync(`${folder}/hostile.html`, "utf8")), "nor does the source hold it");
	await table(page, "power");
	await serious(page, "nothing serious with them");
	is(page.said, [], "no word on the console");
	await page.close();
}

// --- nothing at all -------------------------------------------------------------------------

{
	const page = await open("empty"), empty = await page.locator(".empty").allTextContents();
	ok(empty.includes("No readings in this time.") && empty.some(text => text.startsWith("No node is registered")), "an empty database says so", empty);
	await serious(page, "nothing serious about nothing");
	is(page.said, [], "no word on the console");
	await page.close();
}

// --- a year of a thousand nodes ----------------------------------------------------------------

{
	const page = await open("year");
	ok(statSync(`${folder}/year.html`).size <= 2e6, "a year of 1,000 nodes is a page of 2 MB at most", statSync(`${folder}/year.html`).size);
	is(await page.evaluate(() => [data.source, charts.power.data[0].length, charts.power.series.length - 1]), ["days", 365, 11], "ten nodes and the others, by day");
	ok((await page.locator("#power-note").textContent()).includes("the 10 nodes of most energy and the others together"), "which the page says");
	is(await page.evaluate(() => data.all.series.map((s, i) => s.watts[100] || 0).reduce((a, b) => a + b, data.all.fleet.others[100]).toFixed(0)),
		await page.evaluate(() => data.all.fleet.watts[100].toFixed(0)), "together they are the fleet");
	ok((await page.locator("#tiles").textContent()).replace(/\s/g, " ").includes("Cost in report\u2013not reckoned: more than 300 000 hours of nodes"), "a cost that would take too long: said", await page.locator("#tiles").textContent());
	is(await page.locator("#nodes tbody tr").count(), 50, "the table begins with fifty");
	await page.getByRole("button", {name: "Show all 1000 nodes"}).click();
	is(await page.locator("#nodes tbody tr").count(), 1000, "and has them all");
	is(page.said, [], "no word on the console");
	await page.close();
}

await browser.close();
done();
