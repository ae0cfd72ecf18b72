"use strict";
// Asks for pool.json once a second and shows it. What comes from there is only ever text.
const SPANS = [60, 120, 300, 600]; // seconds of history that are shown, the more there is
const STATES = { s: "serving", p: "polling", b: "blocked", l: "leading", w: "waiting" };
const of = (id) => document.getElementById(id);
const all = (selector) => document.querySelectorAll(selector);
const put = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const whole = (n) => (n === null ? "unknown" : n.toLocaleString("en"));

// A number or a time with three digits and a unit: 20.1 k, 3.25 ms.
const METRIC = [[1e9, " G"], [1e6, " M"], [1e3, " k"], [1, ""]];
const TIME = [[1e9, " s"], [1e6, " ms"], [1e3, " µs"]];
function brief(value, steps) {
  const [size, unit] = steps.find(([least]) => value >= least * 0.9995) ?? steps.at(-1);
  const part = value / size;
  const places = part >= 99.95 || size === 1 ? 0 : part >= 9.995 ? 1 : 2;
  return part.toFixed(places) + unit;
}
const time = (ns) => (ns < 1000 ? "< 1 µs" : brief(ns, TIME));
const perSecond = (rate) =>
  `${rate > 0 && rate < 9.95 ? rate.toFixed(1) : brief(rate, METRIC)}/s`;
function age(seconds) {
  const [s, min, h, d] = [1, 60, 3600, 86400].map((unit) => Math.floor(seconds / unit));
  if (d) return `${d} d ${h % 24} h`;
  if (h) return `${h} h ${min % 60} min`;
  return min ? `${min} min ${s % 60} s` : `${s} s`;
}

// Replaces what is drawn in `svg` by a path for each [class, d].
function draw(svg, paths) {
  svg.replaceChildren(...paths.map(([name, d]) => {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("class", name);
    path.setAttribute("d", d);
    return path;
  }));
}

// A path of dots at the places from `from` up to `to` of a field so many columns wide.
function dotted(from, to, columns, pitch) {
  let d = "";
  for (let at = from; at < to; at++)
    d += `M${((at % columns) + 0.5) * pitch} ${(Math.floor(at / columns) + 0.5) * pitch}h.01`;
  return d;
}

// Draws each [class, count] as dots, one kind after the other. The more there are, the smaller they
// are; when there is no room, a dot stands for several. Returns for how many. With `fill`, free
// places are shown.
function dots(svg, kinds, fill) {
  const total = kinds.reduce((sum, [, count]) => sum + count, 0);
  const { clientWidth: width, clientHeight: height } = svg;
  const places = (size) => Math.floor(width / size) * Math.floor(height / size);
  const pitch = [12, 10, 8].find((size) => places(size) >= total) ?? 6;
  const room = places(pitch);
  let scale = 1, at = 0;
  for (let i = 1; room && total > room * scale; i++)
    scale = [1, 2, 5][i % 3] * 10 ** Math.floor(i / 3);
  svg.setAttribute("stroke-width", pitch * 0.68);
  draw(svg, [...kinds, ["empty", fill ? room * scale : 0]].map(([name, count]) => {
    const from = at;
    at = Math.min(room, at + Math.ceil(count / scale));
    return [name, dotted(from, at, Math.floor(width / pitch), pitch)];
  }));
  return scale;
}

// Lets dots flow along an arrow, the faster the higher the rate.
function flow(area, rate) {
  const arrow = document.querySelector(`.${area}`);
  arrow.classList.toggle("flows", rate > 0);
  for (const animation of arrow.querySelector("i").getAnimations())
    if (animation.animationName) animation.playbackRate = 0.4 + 0.6 * Math.log10(1 + rate);
}

// A few workers are cells with the state, and a bar for the busy part of the time since the last
// sample; many are dots.
function showWorkers({ workers: states, busy, uptime_us, stats }) {
  const list = of("workers"), crew = of("crew"), few = states.length <= busy.length;
  const span = before ? uptime_us - before.uptime_us : Infinity;
  list.hidden = !few;
  crew.toggleAttribute("hidden", few);
  while (few && list.childElementCount < states.length) list.append(document.createElement("li"));
  while (list.childElementCount > states.length) list.lastChild.remove();
  [...list.children].forEach((cell, i) => {
    cell.className = states[i];
    cell.style.setProperty("--part", before ? Math.min(1, (busy[i] - before.busy[i]) / span) : 0);
    put(cell, `${i + 1} ${STATES[states[i]]}`);
  });
  if (!few) {
    const pitch = [24, 16, 12, 9, 7].find((size) => states.length * size * size < 30000) ?? 5;
    const columns = Math.floor(crew.clientWidth / pitch);
    const paths = { s: "", p: "", b: "", l: "", w: "" };
    crew.style.height = `${Math.ceil(states.length / columns) * pitch}px`;
    crew.setAttribute("stroke-width", pitch * 0.72);
    [...states].forEach((state, i) => { paths[state] += dotted(i, i + 1, columns, pitch); });
    draw(crew, Object.entries(paths));
  }
  const then = before ? before.stats : stats;
  const held = stats.service_time_seconds.sum - then.service_time_seconds.sum;
  const part = held / (stats.uptime_seconds - then.uptime_seconds || Infinity) / states.length;
  put(of("share"), `busy for ${(100 * part).toFixed(part < 0.1 ? 1 : 0)} % of the last second`);
  for (const sign of all("#legend i"))
    put(sign.parentNode.querySelector("b"), whole(states.split(sign.className).length - 1));
}

// A chart of columns of the history; the last one is the upper line. With `log` the scale is
// logarithmic. The pointer or the arrow keys move a cursor, `cursor` seconds ago.
class Chart {
  constructor(id, columns, format, log) {
    Object.assign(this, { node: of(id), columns, format, log, cursor: null });
    this.svg = this.node.querySelector("svg");
    this.node.addEventListener("pointermove", (event) => {
      const box = this.svg.getBoundingClientRect();
      this.move((span * (box.right - event.clientX)) / box.width);
    });
    for (const end of ["pointerleave", "blur"])
      this.node.addEventListener(end, () => this.move(null));
    this.node.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: 5, ArrowRight: -5, Home: span, End: -span };
      if (!(event.key in steps)) return;
      event.preventDefault();
      this.move((this.cursor ?? 0) + steps[event.key]);
    });
  }

  move(seconds) {
    this.cursor = seconds === null ? null : Math.max(0, Math.min(span, seconds));
    this.show();
  }

  // The ends of the scale: powers of ten, or 0 and a round number.
  ends() {
    const values = rows.flatMap((row) => this.columns.map((column) => row[column] ?? []).flat());
    const top = Math.max(1, ...values);
    const power = (value, round) => 10 ** round(Math.log10(Math.max(1, value)));
    if (!this.log) {
      const step = power(top, Math.floor);
      return [0, step * [1, 2, 3, 5, 10].find((n) => n * step >= top)];
    }
    const low = Math.max(1000, power(Math.min(1e6, ...values), Math.floor));
    return [low, Math.max(low * 10, power(top, Math.ceil))];
  }

  show() {
    const [low, high] = this.ends();
    const part = (value) =>
      this.log ? Math.log10(Math.max(value, low) / low) / Math.log10(high / low) : value / high;
    const y = (value) => (99 - 97 * part(value)).toFixed(1);
    const ago = (row) => (now - row[0]) / 1000;
    const x = (row) => (600 * (1 - ago(row) / span)).toFixed(1);
    const grid = [];
    for (let at = this.log ? low * 10 : high / 2; at < high; at *= 10)
      grid.push(`M0 ${y(at)}H600`);
    const paths = [["grid", grid.join("")]];
    this.columns.forEach((column, i) => {
      let line = "", last = null; // a gap where nothing is known
      for (const row of rows) {
        const known = row[column] !== null;
        const joined = known && last !== null && row[0] - last < 5000;
        if (known) line += `${joined ? "L" : "M"}${x(row)} ${y(row[column])}`;
        last = known ? row[0] : null;
      }
      paths.push([i ? "upper" : "lower", line]);
      if (!this.log && line) paths.push(["area", `${line}V99H${x(rows[0])}Z`]);
    });
    let chosen = rows.at(-1), when = "";
    if (this.cursor !== null && chosen) {
      const away = (row) => Math.abs(ago(row) - this.cursor);
      chosen = rows.reduce((best, row) => (away(row) < away(best) ? row : best));
      when = `${age(ago(chosen))} ago: `;
      paths.push(["cursor", `M${x(chosen)} 0V100`]);
    }
    draw(this.svg, paths);
    const [top, bottom] = this.node.querySelectorAll(".plot span");
    put(top, this.format(high));
    put(bottom, low ? this.format(low) : "0");
    const values = chosen ? this.columns.map((column) => chosen[column]) : [null];
    const texts = values.map((value) => (value === null ? "none" : this.format(value)));
    if (texts.length > 1 && values[1] !== null)
      texts.splice(0, 2, `p50 ${texts[0]}`, `p99 ${texts[1]}`);
    put(this.node.querySelector("figcaption b"), when + [...new Set(texts)].join("  "));
    put(this.node.querySelector(".oldest"), `${age(span).replace(" 0 s", "")} ago`);
  }
}

let rows = []; // [uptime in ms, messages a second, then times in ns: see http/history.h]
let now = 0, span = SPANS[0]; // uptime of the last sample, in ms; what the charts show, in s
let before = null; // the last sample
let started = null, answered = Date.now(), seq = 0, timer = 0, asking = false;
const charts = [
  new Chart("rate", [1], perSecond, false),
  new Chart("wait", [2, 3], time, true),
  new Chart("service", [4, 5], time, true),
];

function show(sample) {
  const { stats, reason, history } = sample;
  const rate = (name) => stats.rates[name]["1s"];
  const parks = rate("parks_reading") + rate("parks_writing");
  const rejected = stats.connections_rejected_limit + stats.connections_rejected_source;
  const kinds = [
    ["served", stats.connections_serving],
    ["queued", stats.connections_queued],
    ["quiet", stats.connections_parked],
  ];
  started = stats.start_time_seconds;
  showWorkers(sample);
  before = sample;
  now = stats.uptime_seconds * 1000;
  span = SPANS.find((seconds) => seconds >= stats.uptime_seconds) ?? SPANS.at(-1);
  rows = rows.concat(history).filter((row) => row[0] > now - span * 1000);
  for (const node of all("[data-stat]")) put(node, whole(stats[node.dataset.stat]));
  for (const node of all("[data-rate]")) put(node, perSecond(rate(node.dataset.rate)));
  put(of("parks"), perSecond(parks));
  put(of("rejected"), rejected ? `${whole(rejected)} rejected` : "1 thread");
  flow("a1", rate("connections_accepted"));
  flow("a2", rate("connections_accepted"));
  flow("a3", rate("connections_taken"));
  flow("a4", rate("unparks"));
  flow("a5", parks);
  const scale = dots(of("clients"), kinds);
  put(of("scale"), scale > 1 ? `a dot is ${whole(scale)} of them` : "");
  dots(of("queue"), [kinds[1]], true);
  dots(of("lot"), [kinds[2]]);
  for (const chart of charts) chart.show();
  of("state").className = reason ? "not" : "";
  put(of("state"), reason ? `not ready: ${reason}` : "ready");
  const which = stats.version ? `version ${stats.version}, process ${stats.pid}, ` : "";
  put(of("instance"), `${which}up ${age(stats.uptime_seconds)}`);
  document.documentElement.dataset.seq = ++seq;
}

// Asks for a sample and for the history since the last one. Goes on until the page is hidden.
async function ask() {
  clearTimeout(timer);
  if (document.hidden || asking) return;
  asking = true;
  let wait = 1000;
  const control = new AbortController();
  const limit = setTimeout(() => control.abort(), 3000);
  try {
    const after = Math.floor(rows.at(-1)?.[0] ?? 0);
    const answer = await fetch(`pool.json?after=${after}`, { signal: control.signal });
    if (!answer.ok) throw new Error(answer.statusText);
    const sample = await answer.json();
    answered = Date.now();
    if (started !== null && started !== sample.stats.start_time_seconds) {
      [rows, before, started, wait] = [[], null, null, 0]; // another server: with all its history
    } else {
      window.sample = sample; // for tests
      show(sample);
    }
  } catch (error) {
    console.debug(error);
    of("state").className = "lost";
    put(of("state"), `no answer since ${new Date(answered).toLocaleTimeString()}`);
    wait = 5000;
  }
  clearTimeout(limit);
  asking = false;
  timer = setTimeout(ask, wait);
}

// Says what the part that is pointed at, or has the focus, is for.
function explain(part) {
  const head = document.createElement("b");
  head.textContent = part ? part.querySelector("h2").textContent : "A thread pool at work";
  of("about").className = part ? "told" : "";
  of("about").replaceChildren(head, part ? part.querySelector(".about").textContent :
    "A few threads serve all clients, by turns. Point at a part, touch it, or go to it with the " +
    "Tab key, to read what it does.");
}
for (const part of all(".part")) {
  for (const begin of ["pointerenter", "focus"]) part.addEventListener(begin, () => explain(part));
  for (const end of ["pointerleave", "blur"])
    part.addEventListener(end, () => explain(document.activeElement.closest(".part")));
}
explain(null);
document.addEventListener("visibilitychange", ask);
ask();
