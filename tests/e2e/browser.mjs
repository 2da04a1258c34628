// Drives the running agent in Chromium as a trader would, and prints what it saw as JSON.
// Usage: node browser.mjs LINK OUT_DIR   (LINK: the one-time link that `smc up` prints)
import { createRequire } from "node:module";
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// The browser driver is the web app's dependency: there is one lock file for both.
const require = createRequire(new URL("../../frontend/package.json", import.meta.url));
const { chromium } = require("playwright-core");
const AxeBuilder = require("@axe-core/playwright").default;

const [link, out] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
const context = await chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), "smc-browser-")), {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  viewport: { width: 1440, height: 1000 },
  colorScheme: "dark",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const seen = { errors: [], widths: {}, accessibility: {} };
const page = await context.newPage();
page.setDefaultTimeout(30_000);
page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
page.on("pageerror", (error) => seen.errors.push(String(error)));

const text = (id) => page.getByTestId(id).first().innerText();
async function look(name) {
  await page.evaluate(() => window.scrollTo(0, 0));
  for (const theme of ["dark", "light"]) {
    await page.evaluate((value) => {
      document.documentElement.dataset.theme = value;
      window.dispatchEvent(new Event("themechange"));
    }, theme);
    await page.waitForTimeout(300);
    await page.screenshot({ path: join(out, `${name}-${theme}.png`), fullPage: true });
    const { violations } = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag22aa"]).analyze();
    seen.accessibility[`${name}-${theme}`] = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
  }
  await page.evaluate(() => {
    document.documentElement.dataset.theme = "dark";
    window.dispatchEvent(new Event("themechange"));
  });
  await page.setViewportSize({ width: 390, height: 844 });
  await page.waitForTimeout(500);
  await page.evaluate(() => window.scrollTo(0, 0));
  seen.widths[name] = await page.evaluate(() => document.documentElement.scrollWidth);
  if (seen.widths[name] > 390)
    seen.wide = await page.evaluate(() =>
      [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > 391).map((e) => `${e.tagName} ${e.className} ${Math.round(e.getBoundingClientRect().right)}`),
    );
  await page.screenshot({ path: join(out, `${name}-390.png`), fullPage: true });
  await page.setViewportSize({ width: 1440, height: 1000 });
}

// The one-time link, then the password.
await page.goto(link);
await page.screenshot({ path: join(out, "first-password.png") });
await page.getByLabel("New password").fill("correct horse battery");
await page.getByRole("button", { name: "Set password and enter" }).click();
await page.getByTestId("figures").waitFor();
seen.mode = await text("mode");
await page.getByText("Last decisions").waitFor();
seen.equityFirst = await text("equity");

// The chart moves by itself: the newest bar that the page knows grows while nobody touches it.
await page.getByRole("link", { name: "Trading" }).click();
await page.locator("[data-testid=chart] canvas").first().waitFor();
await page.waitForFunction(() => Number(document.querySelector("[data-testid=chart]")?.dataset.bars ?? 0) > 0);
const lastBar = () => page.evaluate(() => Number(document.querySelector("[data-testid=chart]").dataset.lastBar));
seen.barFirst = await lastBar();
await page.waitForFunction((first) => Number(document.querySelector("[data-testid=chart]").dataset.lastBar) >= first + 3 * 60_000, seen.barFirst);
seen.barLater = await lastBar();
await page.waitForFunction(() => Number(document.querySelector("[data-testid=chart]").dataset.zones) > 0);
seen.zones = await page.evaluate(() => Number(document.querySelector("[data-testid=chart]").dataset.zones));

// Pointing at a zone explains it.
const box = await page.getByTestId("chart").boundingBox();
const explanation = page.getByTestId("explanation");
// With all that the chart can draw there is something to point at, wherever the market stands.
const everything = [page.getByRole("switch", { name: "Mitigated too" }), page.getByRole("switch", { name: "Internal scale" })];
for (const layer of everything) await layer.click();
for (const x of [0.8, 0.6, 0.4, 0.2]) {
  for (let y = 8; y < box.height && !seen.explanation; y += 4) {
    await page.mouse.move(box.x + box.width * x, box.y + y);
    if ((await explanation.innerText()).includes("first known at")) seen.explanation = await explanation.innerText();
  }
}
await page.screenshot({ path: join(out, "explained.png") });
// So does the line above the chart, which says where the market is.
seen.standing = await text("standing");
await page.getByTestId("standing").getByRole("button").first().click();
seen.standingExplained = await explanation.innerText();
// Each family of signs adds to what is drawn, and comes off again.
seen.families = {};
const drawn = () => page.evaluate(() => Number(document.querySelector("[data-testid=chart]").dataset.zones));
for (const name of ["Sweeps", "Context", "Sessions", "Kill zones"]) {
  const family = page.getByRole("switch", { name });
  const before = await drawn();
  await family.click();
  await page.waitForFunction((count) => Number(document.querySelector("[data-testid=chart]").dataset.zones) > count, before);
  seen.families[name] = (await drawn()) - before;
  if (name === "Sessions") {
    await page.waitForTimeout(300);
    await page.screenshot({ path: join(out, "sessions.png") });
  }
  await family.click();
}
for (const layer of everything) await layer.click();

// An order by hand: far below the market it rests, and appears in the list without a reload.
const close = await page.evaluate(() => Number(document.querySelector("[data-testid=chart]").dataset.lastClose));
await page.getByRole("button", { name: "by quantity" }).click();
await page.getByLabel("Quantity").fill("0.01");
await page.getByLabel("Limit price").fill((Math.round(close * 0.97)).toFixed(2));
await page.getByRole("button", { name: "Review order" }).click();
await page.getByTestId("review").waitFor();
await page.screenshot({ path: join(out, "review.png") });
await page.getByRole("button", { name: "Place on paper" }).click();
await page.getByTestId("open-orders").getByText("0.01").first().waitFor();
seen.orderRested = true;
await page.screenshot({ path: join(out, "trading-order.png") });
await page.getByTestId("open-orders").getByRole("button", { name: "Cancel" }).first().click();

// And one at market: the position changes by itself at the next bar's open.
seen.quantityBefore = await page.evaluate(() => document.querySelector("[data-testid=positions] td:nth-child(2)")?.textContent);
await page.getByRole("button", { name: "Market", exact: true }).click();
await page.getByRole("button", { name: "Review order" }).click();
await page.getByRole("button", { name: "Place on paper" }).click();
seen.quantityAfter = await page.waitForFunction((before) => {
  const now = document.querySelector("[data-testid=positions] td:nth-child(2)")?.textContent;
  return now !== before && now;
}, seen.quantityBefore).then((now) => now.jsonValue());
seen.position = await text("positions");
await look("trading");

await page.getByRole("link", { name: "Overview" }).click();
await page.getByTestId("figures").waitFor();
await page.waitForTimeout(1500);
await look("overview");

// The kill switch, and back.
await page.getByRole("button", { name: "Kill switch" }).click();
await page.getByRole("button", { name: "Stop trading" }).click();
await page.getByText("Kill switch is on").waitFor();
seen.killed = true;
await page.getByRole("button", { name: "Resume trading" }).click();
await page.getByRole("button", { name: "Resume", exact: true }).click();
await page.getByText("Kill switch is on").waitFor({ state: "detached" });
seen.resumed = true;

// Sign out, and in again with the password.
await page.getByRole("button", { name: "Account menu" }).click();
const email = await page.locator("#account-menu span").first().innerText();
await page.getByRole("button", { name: "Sign out" }).click();
await page.getByRole("heading", { name: "Sign in" }).waitFor();
await page.getByLabel("E-mail").fill(email);
await page.getByLabel("Password").fill("wrong password here");
await page.getByRole("button", { name: "Sign in" }).click();
seen.refusal = await page.getByRole("alert").innerText();
await look("login");
await page.getByLabel("Password").fill("correct horse battery");
await page.getByRole("button", { name: "Sign in" }).click();
await page.getByTestId("figures").waitFor();
seen.signedInAgain = true;

await context.close();
console.log(JSON.stringify(seen));
