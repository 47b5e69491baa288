// grafana.mjs PSQL DATABASE: the dashboards of examples/grafana, without Grafana:
// against Grafana's own types, keys included, and each query, with its macros
// expanded as Grafana's documentation says, run as the role of role.sql against a
// filled database.  TAP to stdout.  That Grafana loads them is not tried.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ok, is, done } from "./tap.mjs";

const [psql, database] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url)), examples = join(here, "../../examples/grafana");
const dashboards = readdirSync(join(examples, "dashboards")).filter(name => name.endsWith(".json"))
	.map(name => ({name, text: readFileSync(join(examples, "dashboards", name), "utf8")}))
	.map(file => ({...file, json: JSON.parse(file.text)}));
const source = readFileSync(join(examples, "provisioning/datasources/tribe_power.yaml"), "utf8");
const wanted = {type: source.match(/^\s+type: (\S+)/m)[1], uid: source.match(/^\s+uid: (\S+)/m)[1]};

// --- as a whole ------------------------------------------------------------------------

is(dashboards.map(d => d.name), ["energy.json", "fleet.json", "health.json", "node.json"], "four dashboards");
is(new Set(dashboards.map(d => d.json.uid)).size, 4, "each with a uid of its own");
for (const {name, json} of dashboards) {
	const panels = json.panels, used = [];
	is(new Set(panels.map(p => p.id)).size, panels.length, `${name}: panels have ids of their own`);
	const cells = panels.flatMap(p => [...Array(p.gridPos.h).keys()].flatMap(y => [...Array(p.gridPos.w).keys()].map(x => `${p.gridPos.x + x},${p.gridPos.y + y}`)));
	ok(new Set(cells).size === cells.length && panels.every(p => p.gridPos.x + p.gridPos.w <= 24), `${name}: no panel lies on another`);
	JSON.stringify(json, (key, value) => { if (key === "datasource") used.push(value); return value; });
	ok(used.length > panels.length && used.every(d => d.type === wanted.type && d.uid === wanted.uid), `${name}: all ask the provisioned data source`, used);
}

// --- types and keys ---------------------------------------------------------------------

const kinds = {timeseries: "TimeSeries", stat: "Stat", table: "Table", bargauge: "BarGauge"};
const head = `
import type * as schema from "@grafana/schema";
${Object.entries(kinds).map(([kind, file]) => `import type * as ${kind} from "@grafana/schema/dist/esm/raw/composable/${kind}/panelcfg/x/${file}PanelCfg_types.gen";`).join("\n")}
// JSON has the values of enums, not their names
type Plain<T> = T extends string ? (string extends T ? string : \`\${T}\`) : T extends number | boolean | null | undefined ? T :
	T extends (infer U)[] ? Plain<U>[] : T extends object ? {[K in keyof T]: Plain<T[K]>} : T;
interface Query extends schema.DataQuery {format: "table" | "time_series"; rawQuery: true; editorMode: "code"; rawSql: string}
type Custom = {timeseries: timeseries.FieldConfig; table: table.FieldConfig; stat: Record<string, never>; bargauge: Record<string, never>};
type Options = {timeseries: timeseries.Options; table: table.Options; stat: stat.Options; bargauge: bargauge.Options};
type Defaults<K extends keyof Custom> = Omit<schema.FieldConfig, "custom"> & {custom?: Custom[K]};
type OverrideId<K extends keyof Custom> = Exclude<keyof schema.FieldConfig, "custom"> | \`custom.\${Extract<keyof Custom[K], string>}\`;
type PanelOf<K extends keyof Custom> = Plain<Omit<schema.Panel, "type" | "options" | "targets" | "fieldConfig"> & {
	type: K; title: string; options: Options[K]; targets: Query[];
	fieldConfig: {defaults: Defaults<K>; overrides: {matcher: schema.MatcherConfig; properties: {id: OverrideId<K>; value?: unknown}[]}[]}}>;
type Row = Plain<schema.RowPanel>;
type Whole = Plain<Omit<schema.Dashboard, "panels" | "templating" | "annotations">> & {
	panels: []; templating: {list: Plain<schema.VariableModel>[]}; annotations: {list: Plain<schema.AnnotationQuery<Query>>[]}};
`;
const typed = json => head + `export const dashboard: Whole = ${JSON.stringify({...json, panels: []})};\n` +
	json.panels.map((p, i) => `export const panel${i}: ${p.type === "row" ? "Row" : `PanelOf<"${p.type}">`} = ${JSON.stringify(p)};\n`).join("");

const folder = mkdtempSync(join(tmpdir(), "grafana-"));
symlinkSync(join(here, "node_modules"), join(folder, "node_modules"));
for (const {name, json} of dashboards)
	writeFileSync(join(folder, name.replace(".json", ".ts")), typed(json));
// a check that can't fail is none: each of these must be refused
const wrong = [["fillOpacity", "fillOpasity"], ["\"noValue\"", "\"noValues\""], ["\"drawStyle\":\"line\"", "\"drawStyle\":\"lines\""],
	["\"showHeader\"", "\"showHeaders\""], ["\"rawSql\"", "\"rawSQL\""], ["\"includeAll\"", "\"includeall\""], ["\"custom.lineStyle\"", "\"custom.lineStile\""],
	["\"stat\",\"title\"", "\"stats\",\"title\""], ["\"graphTooltip\"", "\"graphTooltips\""], ["\"calcs\"", "\"calc\""]];
wrong.forEach(([from, to], i) => {
	const found = dashboards.map(d => typed(d.json)).find(text => text.slice(head.length).includes(from));
	const body = (found || head).slice(head.length);
	writeFileSync(join(folder, `wrong${i}.ts`), head + body.replace(from, to));
});
const compiler = spawnSync(process.execPath, [join(here, "node_modules/typescript/bin/tsc"), "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022",
	"--module", "esnext", "--moduleResolution", "bundler", ...readdirSync(folder).filter(name => name.endsWith(".ts"))], {cwd: folder, encoding: "utf8"});
const complaints = compiler.stdout.split("\n").filter(line => /^\S+\.ts\(/.test(line));
for (const {name} of dashboards)
	is(complaints.filter(line => line.startsWith(name.replace(".json", ".ts"))).map(line => line.slice(0, 300)), [], `${name}: Grafana's types have all of it`);
wrong.forEach(([from, to], i) => ok(complaints.some(line => line.startsWith(`wrong${i}.ts`)), `they would not have ${to.replace(/"/g, "")}`, compiler.stdout.slice(0, 500), compiler.stderr));
rmSync(folder, {recursive: true});

// --- queries -------------------------------------------------------------------------------

const ask = (user, sql) => execFileSync(psql, ["-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-U", user, "-d", database],
	{input: sql, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"], maxBuffer: 1 << 27});
execFileSync(psql, ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", join(examples, "role.sql")]);

const quoted = values => [].concat(values).map(value => `'${value.replace(/'/g, "''")}'`).join(",");

function expanded(sql, {from, to, seconds, values}) {
	const column = (inside, n) => inside.split(",").map(part => part.trim())[n];
	const width = text => ({s: 1, m: 60, h: 3600, d: 86400})[text.slice(-1)] * parseInt(text, 10);
	sql = sql.replace(/\$\{(\w+):sqlstring\}/g, (all, name) => name in values ? quoted(values[name]) : all);
	sql = sql.replace(/\$\{(\w+)\}/g, (all, name) => name in values ? [].concat(values[name]).join(",") : all);
	sql = sql.replace(/\$__interval_ms\b/g, seconds * 1000).replace(/\$__interval\b/g, `${seconds}s`);
	sql = sql.replace(/\$__timeGroupAlias\(([^()]*)\)/g, (all, inside) => `$__timeGroup(${inside}) AS "time"`);
	sql = sql.replace(/\$__timeGroup\(([^()]*)\)/g, (all, inside) => {
		const every = width(column(inside, 1).replace(/'/g, ""));
		return `floor(extract(epoch from ${column(inside, 0)})/${every})*${every}`;
	});
	sql = sql.replace(/\$__timeFilter\(([^()]*)\)/g, (all, inside) => `${inside} BETWEEN '${from}' AND '${to}'`);
	return sql.replace(/\$__timeFrom\(\)/g, `'${from}'`).replace(/\$__timeTo\(\)/g, `'${to}'`);
}

const number = /^(double precision|real|numeric|integer|bigint)$/, text = /^(text|character varying)$/;
// what the filled database has nothing for
const empty = new Set(["node.json GPUs, newest reading", "node.json What its newest reading lacks", "health.json Alerts now"]);
const now = Date.now();

for (const {name, json} of dashboards) {
	const list = json.templating.list, values = {};
	for (const variable of list) {
		if (variable.type === "query") {
			ok(!variable.query.includes("$"), `${name}: variable ${variable.name} needs nothing else`);
			const names = ask("grafana_power", variable.query).trim().split("\n");
			ok(names.includes("redfin"), `${name}: variable ${variable.name} has the nodes`, names);
			values[variable.name] = variable.multi ? names : "redfin";
		} else
			values[variable.name] = variable.current.value;
	}
	const queries = json.panels.flatMap(panel => (panel.targets || []).map(target => ({title: panel.title, target})))
		.concat(json.annotations.list.map(a => ({title: a.name, target: a.target})));
	for (const {title, target} of queries)
		for (const [words, days, seconds] of [["a day", 1, 600], ["90 days", 90, 7200]]) {
			const sql = expanded(target.rawSql, {from: new Date(now - days * 864e5).toISOString(), to: new Date(now).toISOString(), seconds,
				// a name that Grafana must quote
				values: Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Array.isArray(value) ? [...value, "o'neill"] : value]))});
			const what = `${name} ${title}`;
			if (!ok(!sql.includes("$"), `${what}, ${words}: all macros are known`, sql))
				continue;
			let rows, columns;
			try {
				const told = ask("grafana_power", `${sql} \\gdesc\n\\echo --\n${sql};`).split("\n--\n");
				columns = told[0].trim().split("\n").map(line => line.split("\t"));
				rows = told[1].trim().split("\n").filter(Boolean);
			} catch (error) {
				ok(false, `${what}, ${words}`, String(error.stderr || error), sql);
				continue;
			}
			const time = columns.find(([column]) => column === "time"), rest = columns.filter(([column]) => !["time", "metric"].includes(column));
			const series = !time ? false : (number.test(time[1]) || time[1].startsWith("timestamp with")) && rest.length > 0 && rest.every(([, type]) => number.test(type));
			ok(target.format === "table" || series, `${what}, ${words}: a time and numbers`, columns);
			ok(rows.length > 0 || empty.has(what) || words === "a day" && title === "Alerts" || /^(Energy|Coverage|Cost) by/.test(title) && days === 1,
				`${what}, ${words}: rows`, sql);
		}
}

// the role reads, and nothing else
for (const sql of ["SELECT * FROM tribe_power_nodes", "SELECT * FROM tribe_power_collect()", "DELETE FROM tribe_power_daily", "CREATE TABLE t ()"]) {
	let refused = "";
	try { ask("grafana_power", sql); } catch (error) { refused = String(error.stderr); }
	ok(/permission denied|read-only transaction/.test(refused), `the role may not: ${sql}`, refused);
}

done();
