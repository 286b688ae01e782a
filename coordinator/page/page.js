"use strict";
// The page asks for four small files every second and draws them. It changes nothing on the server.
const $ = (id) => document.getElementById(id);
const ink = getComputedStyle(document.documentElement).getPropertyValue("--ink");
const charts = {};

function draw(id, series, data) {
  if (!charts[id]) {
    const axis = { stroke: ink, grid: { stroke: "#8883", width: 1 } };
    charts[id] = new uPlot({ width: $(id).clientWidth, height: 220, scales: { x: { time: false } }, axes: [{ ...axis, label: "step" }, axis],
      series: [{ label: "step" }, ...series] }, data, $(id));
  } else {
    charts[id].setData(data);
  }
}

async function lines(path) {
  const answer = await fetch(path, { cache: "no-store" });
  if (!answer.ok) return [];
  return (await answer.text()).split("\n").filter(Boolean).map((l) => JSON.parse(l));
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

async function refresh() {
  const status = await (await fetch("status.json", { cache: "no-store" })).json();
  $("run").textContent = `textground · ${status.run}`;
  $("line").textContent = `${status.mode}, step ${status.committed + 1} of ${status.steps}, ${status.images_per_second.toFixed(1)} images/s` + (status.waiting ? ` · ${status.waiting}` : "");
  $("bar").value = (status.committed + 1) / status.steps;
  document.title = `${status.committed + 1}/${status.steps} ${status.run}`;
  $("workers").replaceChildren(...status.workers.map((w) => row([w.name, w.pid, w.device, w.step, w.lanes.join(" "), w.doing], w.role !== "member")));

  const metrics = await lines("metrics.jsonl");
  const steps = metrics.map((m) => m.step);
  const pick = (key) => metrics.map((m) => m.losses[key]);
  draw("loss", [{ label: "total", stroke: "#2f6f9f", width: 2 }, { label: "tcl_v", stroke: "#c0562f" }, { label: "tcl_f", stroke: "#6a9a3b" }, { label: "area", stroke: "#9a5bb0" }],
    [steps, pick("total"), pick("tcl_v"), pick("tcl_f"), metrics.map((m) => m.losses.area_pos + m.losses.area_neg)]);

  const evals = await lines("evaluations.jsonl");
  $("evaluations").hidden = evals.length === 0;
  if (evals.length > 0) draw("miou", [{ label: "mIoU %", stroke: "#2f6f9f", width: 2, points: { show: true } }], [evals.map((e) => e.step), evals.map((e) => 100 * e.miou)]);
  const last = evals.findLast((e) => e.picture);
  if (last) {
    const src = `pictures/${last.picture}`;
    if (!$("scene").src.endsWith(src)) $("scene").src = src;
    $("picture").hidden = false;
  }

  const journal = await lines("journal.jsonl");
  $("journal").replaceChildren(...journal.slice(-200).reverse().map((j) => {
    const li = document.createElement("li");
    li.textContent = `${j.time.slice(11, 19)} step ${j.step}: ${j.text}`;
    if (j.fault) li.className = "fault";
    return li;
  }));
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
