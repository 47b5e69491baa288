// tap.mjs: as much of TAP as the tests here need.
let count = 0;

export function ok(good, words, ...facts) {
	count++;
	console.log(`${good ? "ok" : "not ok"} ${count} - ${words.replace(/#/g, "")}`);
	if (!good)
		for (const fact of facts)
			console.log("# " + (typeof fact === "string" ? fact : JSON.stringify(fact)).replace(/\n/g, "\n# "));
	return good;
}

export const is = (have, want, words) => ok(JSON.stringify(have) === JSON.stringify(want), words, {have}, {want});

export function done() {
	console.log(`1..${count}`);
}
