// Draws the timeline: one row for each service, a mark for each event, its shape and color by
// whether it only read, did more, or was denied. Values of records only ever become text.
"use strict";

(async () => {
  const chart = document.querySelector(".chart[data-events]");
  const plot = chart.querySelector(".plot");
  const said = chart.querySelector(".said");
  const controls = chart.querySelector(".controls");
  const KINDS = [
    { how: "read", symbol: "circle", size: 9 },
    { how: "write", symbol: "triangle-up", size: 12 },
    { how: "denied", symbol: "x", size: 11 },
  ];

  said.textContent = "Reading the events …";
  let found;
  try {
    const answer = await fetch(chart.dataset.events, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(String(answer.status));
    found = await answer.json();
  } catch (error) {
    said.textContent = "The events could not be read: load the page again, or see the table below.";
    return;
  }
  const events = found.events.filter((one) => one.at);
  if (!events.length || !window.Plotly) {
    said.textContent = "There is nothing to draw; see the table below.";
    return;
  }

  // Plotly reads tags and entities in its labels.
  const label = (text) => {
    const name = text.replace(/\.amazonaws\.com$/, "");
    const cut = name.length > 30 ? `${name.slice(0, 29)}…` : name;
    return cut.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  };
  const services = [...new Set(events.map((one) => one.service))];
  const rows = new Map(services.map((name, number) => [name, services.length - 1 - number]));
  const first = Date.parse(events[0].at);
  const last = Math.max(...events.map((one) => Date.parse(one.at)));
  const margin = Math.max((last - first) * 0.03, 5000);
  const whole = [first - margin, last + margin];
  const height = Math.min(120 + services.length * 30, 560);

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const traces = () =>
    KINDS.map(({ how, symbol, size }) => {
      const of = events.filter((one) => one.how === how);
      return {
        type: "scatter",
        mode: "markers",
        x: of.map((one) => one.at),
        y: of.map((one) => rows.get(one.service)),
        customdata: of.map((one) => events.indexOf(one)),
        hoverinfo: "none",
        marker: {
          symbol,
          size,
          color: color(`--${how}`),
          opacity: 0.85,
          line: { width: 1, color: color("--ground") },
        },
      };
    });
  const layout = () => ({
    height,
    margin: { t: 8, r: 16, b: 8, l: 8 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "inherit", size: 12, color: color("--ink") },
    showlegend: false,
    dragmode: "zoom",
    hovermode: "closest",
    xaxis: {
      type: "date",
      range: whole.map((at) => new Date(at).toISOString()),
      gridcolor: color("--line"),
      linecolor: color("--line"),
      automargin: true,
      tickformatstops: [
        { dtickrange: [null, 60000], value: "%H:%M:%S\n%Y-%m-%d" },
        { dtickrange: [60000, 86400000], value: "%H:%M\n%Y-%m-%d" },
        { dtickrange: [86400000, null], value: "%Y-%m-%d" },
      ],
    },
    yaxis: {
      tickvals: [...rows.values()],
      ticktext: services.map(label),
      range: [-0.7, services.length - 0.3],
      fixedrange: true,
      gridcolor: color("--line"),
      zeroline: false,
      automargin: true,
    },
  });
  const options = { displayModeBar: false, responsive: true, showTips: false };

  const draw = () => window.Plotly.react(plot, traces(), layout(), options);
  await draw();
  // Where Plotly measures its labels, beside the page.
  document.getElementById("js-plotly-tester")?.setAttribute("aria-hidden", "true");
  plot.dataset.drawn = String(events.length);

  const told =
    found.total > events.length
      ? `The first ${events.length.toLocaleString("en")} of ${found.total.toLocaleString("en")} events: narrow the time range for others. `
      : `${events.length.toLocaleString("en")} events. `;
  const help = "Drag to zoom, double-click for all; point at a mark to read it, click to open it.";
  said.textContent = told + help;

  const words = { read: "read", write: "not read-only", denied: "denied" };
  plot.on("plotly_hover", ({ points }) => {
    const one = events[points[0].customdata];
    const parts = [one.at.replace("T", " ").replace("Z", ""), one.call, one.service, words[one.how]];
    said.textContent = [...parts, one.error, one.account, one.region, one.from].filter(Boolean).join(" · ");
  });
  plot.on("plotly_click", ({ points }) => {
    const one = events[points[0].customdata];
    if (one.id) location.assign(`/investigate?${new URLSearchParams({ event: one.id })}`);
  });

  controls.hidden = false;
  const zoom = (from, to) => {
    const range = [from, to].map((at) => new Date(at).toISOString());
    window.Plotly.relayout(plot, { "xaxis.range": range });
  };
  controls.addEventListener("click", ({ target }) => {
    const how = target.dataset.zoom;
    if (!how) return;
    const [from, to] = plot.layout.xaxis.range.map((at) => Date.parse(/Z$/.test(at) ? at : `${at.replace(" ", "T")}Z`));
    const span = to - from;
    if (how === "in") zoom(from + span / 4, to - span / 4);
    else if (how === "out") zoom(from - span / 2, to + span / 2);
    else if (how === "earlier") zoom(from - span / 2, to - span / 2);
    else if (how === "later") zoom(from + span / 2, to + span / 2);
    else zoom(...whole);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("beforeprint", draw);
})();
