// Tries a page of `rcnn report` in headless Chromium, as a reader would: node report.mjs PAGE.html [FOLDER FOR SCREENSHOTS]
// It clicks, filters, sorts, enlarges and prints, and looks for errors in the console, for anything that is fetched, for
// sideways scrolling at 390, 800 and 1400 pixels, and for what axe-core finds against the rules of accessibility.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [page_file, pictures] = process.argv.slice(2);
assert(page_file, "usage: node report.mjs PAGE.html [FOLDER]");
const address = pathToFileURL(page_file).href;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

async function opened(width, scheme = "light") {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme });
  const page = await context.newPage();
  const faults = [];
  page.on("console", message => message.type() === "error" && faults.push(message.text()));
  page.on("pageerror", error => faults.push(String(error)));
  page.on("request", request => !/^(file|data):/.test(request.url()) && faults.push(`fetched ${request.url()}`));
  await page.goto(address);
  return { page, faults };
}

for (const width of [390, 800, 1400]) {
  for (const scheme of ["light", "dark"]) {
    const { page, faults } = await opened(width, scheme);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(over, 0, `no sideways scrolling at ${width} pixels`);
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run());
    const told = violations.map(rule => `${rule.id}: ${rule.nodes.slice(0, 3).map(node => node.html.slice(0, 160)).join(" | ")}`);
    assert.deepEqual(told, [], `accessible at ${width} pixels, ${scheme}`);
    if (pictures) await page.screenshot({ path: `${pictures}/${width}-${scheme}.png`, fullPage: true });
    assert.deepEqual(faults, []);
    await page.context().close();
  }
}

const { page, faults } = await opened(1400);
const shown = () => page.locator("main figure:visible").count();
const all = await shown();
// A form's fields are reset after its event has been heard, so that what follows from it comes a moment later.
const allShown = () => page.waitForFunction(
  count => document.querySelectorAll("main figure:not([hidden])").length === count, all, { timeout: 10000 });
if (await page.locator("#filter").count()) {
  // A filter hides photos, and Reset brings them back.
  const first = await page.locator("#filter select option").nth(1).textContent();
  await page.locator("#filter select").selectOption(first);
  const some = await shown();
  assert(some > 0 && some < all, `${some} of ${all} pictures show ${first}`);
  const others = await page.locator("main figure:visible .mark:not([hidden])").evaluateAll(
    (marks, name) => marks.filter(mark => mark.dataset.class !== name).length, first);
  assert.equal(others, 0, "only boxes of the class are left");
  await page.locator("#filter button[type=reset]").click();
  await allShown();
  await page.locator("#filter input[name=score]").fill("1");
  assert((await shown()) < all, "the highest score hides pictures");
  await page.locator("#filter button[type=reset]").click();
  await allShown();
}
if (all > 0) {
  // A photo is enlarged by the keyboard, left by Escape, and the arrow keys lead on.
  const photos = page.locator("main figure .photo");
  await photos.first().focus();
  await page.keyboard.press("Enter");
  const dialog = page.locator("#large");
  assert(await dialog.isVisible(), "a photo is enlarged");
  const name = await dialog.locator("h2").textContent();
  if (pictures) await page.screenshot({ path: `${pictures}/large.png` });
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run("#large"));
  assert.deepEqual(violations.map(rule => rule.id), [], "the dialog is accessible");
  if (all > 1) {
    await page.keyboard.press("ArrowRight");
    const next = await dialog.locator(".photo img").getAttribute("src");
    // On the page of a comparison the next one is the same photo as the other model sees it.
    if (await page.locator("#filter").count()) {
      assert.notEqual(next, await photos.first().locator("img").getAttribute("src"), "the next photo");
    }
    await page.keyboard.press("ArrowLeft");
    assert.equal(await dialog.locator("h2").textContent(), name);
  }
  await dialog.locator("[data-hides=no-found]").uncheck();
  assert.equal(await dialog.locator(".right:visible, .wrong:visible, .found:visible").count(), 0, "detections are switched off");
  await page.keyboard.press("Escape");
  assert(!(await dialog.isVisible()), "Escape closes it");
}
// Every table that can be sorted is, by its last column, both ways.
for (const table of await page.locator("table.sortable").all()) {
  const head = table.locator("thead th").last();
  for (const order of ["ascending", "descending"]) {
    while ((await head.getAttribute("aria-sort")) !== order) await head.locator("button").click();
    const cells = await table.locator("tbody tr td:last-child").allTextContents();
    const numbers = cells.map(parseFloat);
    if (numbers.every(number => !Number.isNaN(number))) {
      const sorted = [...numbers].sort((a, b) => (order === "ascending" ? a - b : b - a));
      assert.deepEqual(numbers, sorted, `sorted ${order}`);
    }
  }
}
if (await page.locator("#failures").count()) {
  // Failures of one kind.
  const rows = page.locator("#failures tbody tr:visible"), kinds = page.locator("label:has-text('Kind') select");
  const before = await rows.count(), kind = await kinds.locator("option").nth(1).textContent();
  await kinds.selectOption(kind);
  assert((await rows.count()) < before, "other failures are hidden");
  assert((await rows.locator("td:nth-child(2)").allTextContents()).every(text => text === kind));
}
// What the page's contents name is there.
for (const link of await page.locator("nav a").all()) {
  assert.equal(await page.locator(await link.getAttribute("href")).textContent(), await link.textContent());
}
if (await page.locator("#curve-class").count()) {
  const line = () => page.locator("#curve polyline").getAttribute("points");
  const before = await line();
  const options = await page.locator("#curve-class option").count();
  await page.locator("#curve-class").selectOption({ index: options - 1 });
  assert(options === 1 || before !== (await line()), "another class has another curve");
}
await page.emulateMedia({ media: "print" });
assert(!(await page.locator("#filter").isVisible()), "what cannot be used on paper is not printed");
// Paper is white, whatever the screen is.
const dark = await opened(800, "dark");
const ink = () => dark.page.evaluate(() => getComputedStyle(document.body).color);
const onScreen = await ink();
await dark.page.emulateMedia({ media: "print", colorScheme: "dark" });
assert.notEqual(await ink(), onScreen, "dark mode is not printed");
await dark.page.context().close();
if (pictures) await page.pdf({ path: `${pictures}/printed.pdf`, format: "A4" });
assert.deepEqual(faults, []);
await browser.close();
process.stdout.write(`${page_file}: ${all} pictures, all is well\n`);
