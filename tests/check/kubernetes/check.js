// check.js MANIFEST...: each document is valid for the schema of its kind, has no other field, and
// fits the other documents.
"use strict";

const assert = require("assert");
const fs = require("fs");
// Not from beside this file: from the folder that it is run in.
const local = (name) => require(require.resolve(name, { paths: [process.cwd()] }));
const yaml = local("yaml");

const GRACE_MARGIN_S = 5; // between the end of the drain and the kill

// The same data, which notes in `read` the path of each field that is read.
function watched(data, read, path = "") {
  if (typeof data !== "object" || data === null) return data;
  return new Proxy(data, {
    get(target, key) {
      const below = `${path}/${String(key)}`;
      read.add(below);
      return watched(target[key], read, below);
    },
  });
}

function pathsOf(data, path = "") {
  if (typeof data !== "object" || data === null) return [path];
  return [path, ...Object.keys(data).flatMap((key) => pathsOf(data[key], `${path}/${key}`))];
}

// A validator reads every field that its schema knows, so one that nobody has read is unknown.
function checkSchema(document) {
  const model = local(`kubernetes-models/${document.apiVersion}/${document.kind}`)[document.kind];
  const read = new Set([""]);
  model.prototype.validate.call(watched(document, read));
  const unknown = pathsOf(document).filter((path) => !read.has(path));
  assert.deepStrictEqual(unknown, [], `${document.kind}: fields that the schema does not know`);
}

function includes(labels, selector, message) {
  for (const [name, value] of Object.entries(selector)) assert.strictEqual(labels[name], value, message);
}

const seconds = (args, name) => {
  const value = args.map((arg) => arg.match(`^--${name}=([0-9]+)s$`)).find(Boolean);
  assert.ok(value, `no --${name} in seconds`);
  return Number(value[1]);
};

// What the API server does not check: names that lead nowhere, and times that do not add up.
function checkTogether(of) {
  const { metadata, spec: pod } = of.Deployment.spec.template;
  const [container] = pod.containers;
  const ports = container.ports.map((port) => port.name);
  includes(metadata.labels, of.Deployment.spec.selector.matchLabels, "the Deployment selects other pods");
  includes(metadata.labels, of.Service.spec.selector, "the Service selects other pods");
  includes(metadata.labels, of.PodDisruptionBudget.spec.selector.matchLabels, "the budget is of other pods");
  includes(metadata.labels, of.NetworkPolicy.spec.podSelector.matchLabels, "the policy is of other pods");
  const probes = [container.startupProbe, container.readinessProbe, container.livenessProbe];
  const named = [
    ...of.Service.spec.ports.map((port) => port.targetPort),
    ...of.NetworkPolicy.spec.ingress.flatMap((rule) => rule.ports.map((port) => port.port)),
    ...probes.map((probe) => (probe.httpGet || probe.tcpSocket).port),
  ];
  for (const port of named) assert.ok(ports.includes(port), `the container has no port '${port}'`);
  for (const { containerPort } of container.ports)
    assert.ok(container.args.some((arg) => arg.endsWith(`=:${containerPort}`)), `nothing listens on ${containerPort}`);
  const drain = seconds(container.args, "drain-delay") + seconds(container.args, "drain-timeout");
  assert.ok(pod.terminationGracePeriodSeconds >= drain + GRACE_MARGIN_S, "killed before the drain is over");
}

const documents = process.argv.slice(2).flatMap((file) =>
  yaml.parseAllDocuments(fs.readFileSync(file, "utf8")).map((document) => {
    assert.deepStrictEqual(document.errors, [], file);
    return document.toJS();
  }),
);
documents.forEach(checkSchema);
checkTogether(Object.fromEntries(documents.map((document) => [document.kind, document])));
