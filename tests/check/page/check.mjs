// check.mjs URL URL_OF_MANY ECHOCTL CONTROL [FOLDER]: looks at the page of a busy server, and at
// that of one with many workers. Run in the folder that has playwright-core.
import assert from "node:assert";
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";

const { chromium } = createRequire(`${process.cwd()}/`)("playwright-core");
const [url, many, echoctl, control, folder] = process.argv.slice(2);
const WIDTHS = { 360: 740, 768: 1024, 1280: 900 };
const PATIENCE = 20000;

const complaints = [];
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium-headless-shell" });

// Opens the page and waits for a few samples. Whatever it complains of fails the check.
async function open(address, options) {
  const context = await browser.newContext({ locale: "en-GB", timezoneId: "UTC", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective}`));
  });
  await page.goto(address);
  await samples(page, 2);
  return page;
}

async function samples(page, more) {
  const seq = Number(await page.evaluate(() => document.documentElement.dataset.seq ?? 0));
  await page.waitForFunction((wanted) => document.documentElement.dataset.seq >= wanted, seq + more);
}

const stats = () => JSON.parse(execFileSync(echoctl, ["--control", control, "stats", "--json"]));

// Each figure is that of the sample which the page used, which lies between two of the control socket.
async function checkFigures(page) {
  const before = stats();
  await page.waitForFunction((uptime) => window.sample.stats.uptime_seconds > uptime, before.uptime_seconds);
  const { shown, sample, workers } = await page.evaluate(() => ({
    sample: window.sample.stats,
    workers: window.sample.workers,
    shown: [...document.querySelectorAll("[data-stat]")].map((node) => [node.dataset.stat, node.textContent]),
  }));
  const after = stats();
  assert.ok(shown.length >= 7);
  for (const [name, text] of shown) assert.strictEqual(Number(text.replaceAll(",", "")), sample[name], name);
  for (const name of ["connections_accepted", "connections_taken", "messages", "bytes_sent", "uptime_seconds", "queue_depth_max"]) {
    assert.ok(before[name] <= sample[name] && sample[name] <= after[name], `${name}: ${before[name]} ${sample[name]} ${after[name]}`);
  }
  assert.strictEqual(sample.connections_open, sample.connections_queued + sample.connections_serving + sample.connections_parked);
  assert.ok(sample.connections_open >= 200);
  assert.strictEqual(sample.workers, after.workers);
  assert.strictEqual(workers.length, after.workers);
  assert.strictEqual(await page.locator("#workers li").count(), after.workers);
  assert.match(await page.locator("#rate figcaption b").textContent(), /^[1-9][0-9.]*( k)?\/s$/);
  assert.strictEqual(await page.locator("#state").textContent(), "ready");
}

// Every part says in visible text what it is: when pointed at, and when it has the focus.
async function checkExplanations(page) {
  const parts = await page.locator(".part").all();
  assert.strictEqual(parts.length, 8);
  for (const part of parts) {
    const about = await part.locator(".about").textContent();
    await part.hover();
    assert.ok((await page.locator("#about").textContent()).endsWith(about));
    assert.ok(await page.locator("#about").isVisible());
  }
  await page.mouse.move(0, 0);
  for (const part of parts) {
    await page.keyboard.press("Tab");
    assert.ok(await part.evaluate((node) => node === document.activeElement));
    const about = await part.locator(".about").textContent();
    assert.ok((await page.locator("#about").textContent()).endsWith(about));
  }
  await page.keyboard.press("ArrowLeft");
  assert.match(await page.locator("#service figcaption b").textContent(), /^[0-9]+ s ago: /);
}

// What assistive technology is told: a name and a description for each part.
async function checkNames(page) {
  const missing = await page.evaluate(() => [...document.querySelectorAll(".part")].flatMap((part) =>
    ["aria-labelledby", "aria-describedby"].filter((name) => part.tagName !== "FIGURE" || name === "aria-describedby")
      .filter((name) => !document.getElementById(part.getAttribute(name))?.textContent).map((name) => `${part.id} ${name}`)));
  assert.deepStrictEqual(missing, []);
}

// All text has a contrast of 4.5 to 1 with what is behind it (WCAG 2.1, 1.4.3), and fits the width.
async function checkLooks(page) {
  const faults = await page.evaluate(() => {
    for (const change of document.getAnimations()) if (change.transitionProperty) change.finish();
    const channels = (colour) => colour.match(/[0-9.]+/g).map(Number);
    const light = (colour) => channels(colour).slice(0, 3).map((c) => c / 255)
      .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
      .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (node) => {
      for (; node; node = node.parentElement) {
        const colour = getComputedStyle(node).backgroundColor;
        if ((channels(colour)[3] ?? 1) === 1) return colour;
      }
      return "rgb(255, 255, 255)";
    };
    const found = [];
    for (const node of document.querySelectorAll("body *:not(script, noscript)")) {
      if (![...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()) || !node.checkVisibility()) continue;
      const [one, other] = [light(getComputedStyle(node).color), light(behind(node))].sort();
      if ((other + 0.05) / (one + 0.05) < 4.5) found.push(`contrast of '${node.textContent.slice(0, 30)}'`);
      if (node.closest(".about") || getComputedStyle(node.closest("p") ?? node).position === "absolute") continue;
      if (node.scrollWidth > node.clientWidth + 1 && getComputedStyle(node).display !== "inline") found.push(`cut: ${node.textContent}`);
    }
    const { scrollWidth, clientWidth } = document.documentElement;
    return scrollWidth > clientWidth ? [...found, `${scrollWidth} pixels wide`] : found;
  });
  assert.deepStrictEqual(faults, []);
}

// The policy allows what is there, and nothing else.
async function checkPolicy() {
  const answer = await fetch(url), text = await answer.text(), policy = answer.headers.get("content-security-policy");
  for (const [tag, directive] of [["style", "style-src"], ["script", "script-src"]]) {
    const bytes = text.match(new RegExp(`<${tag}>([^]*?)</${tag}>`))[1];
    const hash = createHash("sha256").update(bytes).digest("base64");
    assert.ok(policy.includes(`${directive} 'sha256-${hash}'; `), directive);
  }
  assert.match(policy, /^default-src 'none'; /);
  assert.doesNotMatch(policy, /unsafe/);
  const foreign = text.replaceAll("http://www.w3.org/2000/svg", "").match(/https?:|style=|innerHTML/);
  assert.strictEqual(foreign, null);
}

try {
  await checkPolicy();
  for (const [width, height] of Object.entries(WIDTHS)) {
    for (const colorScheme of ["light", "dark"]) {
      const page = await open(url, { viewport: { width: Number(width), height }, colorScheme, reducedMotion: "no-preference" });
      assert.ok(await page.evaluate(() => document.getAnimations().some((animation) => animation.playState === "running")));
      if (folder) await page.screenshot({ path: `${folder}/${width}-${colorScheme}.png`, fullPage: true });
      await checkLooks(page);
      if (width === "1280") {
        await checkFigures(page);
        await checkExplanations(page);
        await checkNames(page);
      }
      await page.context().close();
    }
  }
  const still = await open(url, { reducedMotion: "reduce" });
  assert.strictEqual(await still.evaluate(() => document.getAnimations().length), 0);
  await samples(still, 2);
  const crowded = await open(many, { viewport: { width: 360, height: 740 } });
  const shown = await crowded.locator("#crew path").evaluateAll((paths) => paths.map((path) => path.getAttribute("d")).join(""));
  assert.strictEqual(shown.split("M").length - 1, 700);
  if (folder) await crowded.screenshot({ path: `${folder}/many.png`, fullPage: true });
  await checkLooks(crowded);

  // It says that it is not ready, and then that nobody answers; each once, for screen readers.
  assert.deepStrictEqual(complaints, []);
  execFileSync(echoctl, ["--control", control, "stop"]);
  await still.waitForFunction(() => /^no answer since [0-9]/.test(document.getElementById("state").textContent));
  console.log("all well");
} catch (error) {
  console.log(error.stack, complaints);
  process.exitCode = 1;
}
await browser.close();
