// check.js FOLDER NAME...: reads each NAME.hlog with hdr-histogram-js and compares what it finds
// with NAME.json, and the text that it makes of the sum with NAME.hgrm.
"use strict";

const assert = require("assert");
const fs = require("fs");
const path = require("path");
// Not from beside this file: from the folder that it is run in.
const hdr = require(require.resolve("hdr-histogram-js", { paths: [process.cwd()] }));

const [folder, ...names] = process.argv.slice(2);
const NS_PER_US = 1000;

const near = (found, expected, message) =>
  assert.ok(Math.abs(found - expected) <= 0.001 * expected, `${message}: ${found}, not ${expected}`);

// The buckets that are not empty, as NAME.json has them.
function bucketsOf(histogram) {
  const buckets = [];
  for (let index = 0; index < histogram.countsArrayLength; index++) {
    const count = histogram.getCountAtIndex(index);
    if (count) buckets.push([histogram.valueFromIndex(index), count]);
  }
  return buckets;
}

function checkHistogram(histogram, facts, name) {
  assert.strictEqual(histogram.totalCount, facts.count, `${name}: count`);
  assert.deepStrictEqual(bucketsOf(histogram), facts.buckets, `${name}: buckets`);
  if (!facts.count) return;
  near(histogram.mean, facts.mean, `${name}: mean`);
  // Ours never says more than the exact maximum, which the format does not keep.
  for (const [percent, value] of facts.percentiles) {
    const found = histogram.getValueAtPercentile(percent || Number.MIN_VALUE);
    assert.strictEqual(Math.min(found, facts.max), value, `${name}: p${percent}`);
  }
}

// The lines of values. Where a line's value is that of the last bucket, ours is the exact maximum.
function linesOf(text) {
  return text.split("\n").filter((line) => /^ *[0-9]/.test(line)).map((line) => line.trim().split(/ +/));
}

function checkDistribution(text, histogram, facts, name) {
  const ours = linesOf(text);
  const theirs = linesOf(histogram.outputPercentileDistribution(5, NS_PER_US));
  const most = (facts.max / NS_PER_US).toFixed(3);
  assert.strictEqual(ours.length, theirs.length, `${name}.hgrm: lines`);
  ours.forEach((line, i) => {
    const [value, ...rest] = theirs[i];
    const capped = parseFloat(value) > parseFloat(most) ? most : value;
    assert.deepStrictEqual(line, [capped, ...rest], `${name}.hgrm: line ${i + 1}`);
  });
  const foot = [...text.matchAll(/^#\[(\w+) += +([0-9.a-z]+)/gm)].map((match) => match[1]);
  assert.deepStrictEqual(foot, ["Mean", "Max", "Buckets", "Unit"], `${name}.hgrm: foot`);
}

let logged = 0;
for (const name of names) {
  const read = (type) => fs.readFileSync(path.join(folder, `${name}.${type}`), "utf8");
  const facts = JSON.parse(read("json"));
  const reader = new hdr.HistogramLogReader(read("hlog"), 64);
  const sum = hdr.build({ highestTrackableValue: 2 ** 42 - 1, numberOfSignificantValueDigits: 3, bitBucketSize: 64 });
  facts.intervals.forEach((interval, i) => {
    const histogram = reader.nextIntervalHistogram();
    assert.ok(histogram, `${name}.hlog: line ${i + 1} cannot be read`);
    checkHistogram(histogram, interval, `${name}.hlog, interval ${i + 1}`);
    assert.strictEqual(Math.round(histogram.startTimeStampMsec), 1795365243250 + 1000 * i, `${name}.hlog: start`);
    assert.strictEqual(Math.round(histogram.endTimeStampMsec - histogram.startTimeStampMsec), 1000);
    sum.add(histogram);
    logged++;
  });
  assert.strictEqual(reader.nextIntervalHistogram(), null, `${name}.hlog: too many lines`);
  checkHistogram(sum, facts.all, `${name}: sum`);
  checkDistribution(read("hgrm"), sum, facts.all, name);
}
console.log(`${logged} intervals and ${names.length} distributions agree with hdr-histogram-js`);
