// take.mjs PAGE FOLDER: the pictures, as PNG files in FOLDER; see make.
import { chromium } from "playwright-core";

const [file, folder] = process.argv.slice(2);
const browser = await chromium.launch({executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]});
for (const [name, width, height, colorScheme, act] of [
	["report-light", 1200, 1010, "light", async page => {
		// with the values under a pointer
		const box = await page.locator("#power .u-over").boundingBox();
		await page.mouse.move(box.x + box.width * .44, box.y + box.height * .45);
	}],
	["report-dark", 1200, 1010, "dark", page => page.evaluate(() => scrollTo(0, document.querySelector(".pair:has(#energy)").offsetTop - 16))],
	["report-phone", 390, 1010, "light", () => {}]
]) {
	const page = await browser.newPage({viewport: {width, height}, colorScheme, reducedMotion: "reduce"});
	await page.goto(`file://${file}`);
	await page.waitForSelector("#nodes table");
	await act(page);
	await page.waitForTimeout(300);
	await page.screenshot({path: `${folder}/${name}.png`});
	await page.close();
}
await browser.close();
