"use strict";
// The page asks for four small files every second and draws them. It changes nothing on the server.
const $ = (id) => document.getElementById(id);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);
const charts = {};

// draw makes a chart, or gives it new data. curves are [label, colour, values]; the legend shows the latest values while
// nobody points at others.
function draw(id, what, last, steps, curves) {
  const data = [steps, ...curves.map(([, , values]) => values)];
  if (charts[id]) {
    charts[id].setData(data);
  } else {
    const axis = { stroke: colour("ink"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 }, labelSize: 20 };
    charts[id] = new uPlot({ width: $(id).clientWidth, height: 260, cursor: { drag: { x: false } }, scales: { x: { time: false, range: [0, last] }, y: { range: (_, __, max) => [0, 1.05 * max] } },
      axes: [{ ...axis, label: "step" }, { ...axis, label: what, size: 46 }],
      series: [{ label: "step" }, ...curves.map(([label, name]) => ({ label, stroke: colour(name), width: 2, points: { show: steps.length < 40 }, value: (_, v) => v?.toPrecision(3) ?? "" }))] }, data, $(id));
  }
  if (charts[id].cursor.left < 0) charts[id].setLegend({ idx: steps.length - 1 });
}

addEventListener("resize", () => {
  for (const [id, chart] of Object.entries(charts)) chart.setSize({ width: $(id).clientWidth, height: chart.height });
});

// A chart keeps the colours with which it was made.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const id of Object.keys(charts)) {
    charts[id].destroy();
    delete charts[id];
  }
  refresh();
});

// lines reads a file of one object a line. A last line that is still being written is left for the next time.
async function lines(path) {
  const answer = await fetch(path, { cache: "no-store" });
  if (!answer.ok) return [];
  return (await answer.text()).split("\n").slice(0, -1).filter(Boolean).map((l) => JSON.parse(l));
}

function row(cells, gone) {
  const tr = document.createElement("tr");
  if (gone) tr.className = "gone";
  for (const c of cells) {
    const td = document.createElement("td");
    td.textContent = c;
    tr.append(td);
  }
  return tr;
}

function showStatus(status) {
  $("run").textContent = `textground · ${status.run}`;
  $("line").textContent = `${status.mode}, step ${status.committed + 1} of ${status.steps}, ${status.images_per_second.toFixed(1)} images/s` + (status.waiting ? ` · ${status.waiting}` : "");
  $("bar").value = (status.committed + 1) / status.steps;
  document.title = `${status.committed + 1}/${status.steps} ${status.run}`;
  $("workers").replaceChildren(...status.workers.map((w) => row([w.name, w.pid, w.device, w.step, w.lanes.join(" "), w.doing], w.role !== "member")));
}

function showLosses(metrics, last) {
  if (metrics.length === 0) return;
  const pick = (key) => metrics.map((m) => m.losses[key]);
  draw("loss", "loss", last, metrics.map((m) => m.step), [["total", "accent", pick("total")], ["tcl_v", "fault", pick("tcl_v")],
    ["tcl_f", "third", pick("tcl_f")], ["area", "fourth", metrics.map((m) => m.losses.area_pos + m.losses.area_neg)]]);
  $("loss-now").textContent = `total ${metrics.at(-1).losses.total.toFixed(3)} in step ${metrics.at(-1).step}`;
}

function showEvaluations(evals, last) {
  const percent = (e) => `${(100 * e.miou).toFixed(1)} %`;
  const now = evals.at(-1);
  $("evaluations").hidden = $("picture").hidden = !now;
  if (!now) return;
  draw("miou", "mIoU, %", last, evals.map((e) => e.step), [["mIoU %", "accent", evals.map((e) => 100 * e.miou)]]);
  $("miou-now").textContent = `${percent(now)} after ${now.step} steps` + (evals.length > 1 && evals[0].step === 0 ? `, ${percent(evals[0])} before` : "");
  const src = `pictures/${now.picture}`;
  if (!$("scene").src.endsWith(src)) $("scene").src = src;
  $("scene-now").textContent = `after ${now.step} steps`;
}

function showJournal(journal) {
  $("journal").replaceChildren(...journal.slice(-200).reverse().map((j) => {
    const li = document.createElement("li");
    li.textContent = `${j.time.slice(11, 19)} step ${j.step}: ${j.text}`;
    if (j.fault) li.className = "fault";
    return li;
  }));
}

async function refresh() {
  const status = await (await fetch("status.json", { cache: "no-store" })).json();
  showStatus(status);
  showLosses(await lines("metrics.jsonl"), status.steps);
  showEvaluations(await lines("evaluations.jsonl"), status.steps);
  showJournal(await lines("journal.jsonl"));
}

async function loop() {
  try {
    await refresh();
  } catch {
    $("line").textContent = "the coordinator does not answer; it may be restarting";
  }
  setTimeout(loop, 1000);
}
loop();
