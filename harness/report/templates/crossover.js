/* The crossover map with a threshold that one slides.

In: the JSON in #crossover (harness.crossover.data.crossover_data, each map with its label). Out: what stands in #slide. Every text is set as
text, never as HTML; nothing is requested. */
"use strict";
(() => {
  const id = (name) => document.getElementById(name);
  const holder = id("crossover");
  if (!holder) return;
  const data = JSON.parse(holder.textContent);
  const maps = [...data.maps, ...data.predicted.map((each) => ({ ...each, cells: [], predicted: true }))];
  if (!maps.length) return;

  const LEFT = 44, RIGHT = 34, TOP = 16, BOTTOM = 40, HEIGHT = 300, LEAST_WIDTH = 280, MOST_WIDTH = 720;
  const make = (tag, attributes, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const percent = (value) => `${Math.round(1000 * value) / 10} %`;

  // ---- one map
  function drawn(map, contour, width) {
    const at = contour.at.map(([depth, batch, low, high, side, least, most, measured]) =>
      ({ depth: depth || 1, batch, low: low ?? least, high: high ?? most, side, least, most, measured }))
      .sort((a, b) => a.depth - b.depth);
    const depths = [...map.cells.map((cell) => cell.depth || 1), ...at.map((each) => each.depth)];
    const batches = [...map.cells.map((cell) => cell.batch), ...at.flatMap((each) => [each.least, each.most])];
    const scale = (values, from, to) => {
      const [low, high] = [Math.log(Math.min(...values)), Math.log(Math.max(...values))];
      return (value) => (high > low ? from + ((to - from) * (Math.log(value) - low)) / (high - low) : (from + to) / 2);
    };
    const x = scale(batches, LEFT + 8, width - RIGHT), y = scale(depths, HEIGHT - BOTTOM - 8, TOP + 8);
    const svg = make("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img",
      "aria-label": `${map.label}: ${contour.said}` });
    svg.append(make("rect", { x: LEFT, y: TOP, width: width - LEFT - RIGHT + 8, height: HEIGHT - TOP - BOTTOM, class: "frame" }));

    // Of what is predicted: a band over most of the map is no knowledge of where the line lies.
    if (contour.placed === false) {
      svg.append(make("text", { x: (LEFT + width - RIGHT) / 2, y: (TOP + HEIGHT - BOTTOM) / 2, class: "middle unknown" }, "not known"));
    }
    const crossed = at.filter((each) => each.side === "crossed" && contour.placed !== false);
    const point = (each, end) => `${x(each[end]).toFixed(1)},${y(each.depth).toFixed(1)}`;
    if (crossed.length > 1) {
      const ring = [...crossed.map((each) => point(each, "low")), ...crossed.toReversed().map((each) => point(each, "high"))];
      svg.append(make("polygon", { points: ring.join(" "), class: "band" }));
      svg.append(make("polyline", { points: crossed.map((each) => point(each, "batch")).join(" "), class: "contour" }));
    } else if (crossed.length) {
      const [only] = crossed;
      svg.append(make("line", { x1: x(only.low), x2: x(only.high), y1: y(only.depth), y2: y(only.depth), class: "band-line" }));
      svg.append(make("circle", { cx: x(only.batch), cy: y(only.depth), r: 4, class: "contour" }));
    }
    for (const each of at.filter((one) => one.measured && one.side !== "crossed" && contour.placed !== false)) {
      const [place, arrow] = each.side === "beyond" ? [x(each.most) + 12, "\u25b6"] : [x(each.least) - 12, "\u25c0"];
      svg.append(make("text", { x: place, y: y(each.depth) + 4, class: "middle" }, arrow));
    }
    for (const cell of map.cells) {
      const [cx, cy] = [x(cell.batch), y(cell.depth || 1)], above = cell.value >= contour.threshold;
      const dot = make("circle", { cx, cy, r: 4.5, class: above ? "over" : "under" });
      dot.append(make("title", {}, `depth ${cell.depth}, batch ${cell.batch}: ${percent(cell.value)}` +
        ` [${percent(cell.low)}, ${percent(cell.high)}]${cell.mode ? `, ${cell.mode}` : ""}`));
      svg.append(dot, make("text", { x: cx, y: cy + (cy < TOP + 24 ? 18 : -9), class: "middle small" }, `${Math.round(100 * cell.value)} %`));
    }
    const ticks = (values, most) => {
      const all = [...new Set(values)].sort((a, b) => a - b), step = Math.ceil(all.length / most);
      return all.filter((_, place) => place % step === 0);
    };
    const known = map.cells.length ? map.cells : at.filter((each) => each.measured).flatMap((each) =>
      [{ depth: each.depth, batch: each.least }, { depth: each.depth, batch: each.most }]);
    for (const batch of ticks(known.map((cell) => cell.batch), Math.max(2, Math.floor(width / 70)))) {
      svg.append(make("text", { x: x(batch), y: HEIGHT - BOTTOM + 16, class: "middle small" }, batch.toLocaleString("en")));
    }
    for (const depth of ticks(known.map((cell) => cell.depth || 1), 8)) {
      svg.append(make("text", { x: LEFT - 12, y: y(depth) + 4, class: "end small" }, String(depth)));
    }
    svg.append(make("text", { x: (LEFT + width - RIGHT) / 2, y: HEIGHT - 6, class: "middle small" }, "batch"));
    svg.append(make("text", { x: 4, y: 11, class: "small" }, "depth"));
    return svg;
  }

  // ---- all of it
  function show() {
    const map = maps[Number(id("slide-map").value)], threshold = data.thresholds[Number(id("slide-threshold").value)];
    const contour = map.contours.find((each) => each.threshold === threshold);
    id("slide-at").textContent = percent(threshold);
    id("slide-threshold").setAttribute("aria-valuetext", percent(threshold));
    id("slide-mark").textContent = `${id("slide-mark").dataset.mark}.`;
    id("slide-mark").hidden = map.of.device_kind !== "emulated";
    id("slide-said").textContent = [contour.said,
      map.predicted ? `Predicted, not measured. By: ${map.model}.` : `Between the cells: ${map.model}.`, ...map.notes,
      data.more ? `${data.more} more maps are in crossover.csv.` : ""].filter(Boolean).join(" ").replace(/(\d) %/g, "$1\u00a0%");
    const width = Math.max(LEAST_WIDTH, Math.min(MOST_WIDTH, id("slide-box").clientWidth - 2));
    id("slide-box").replaceChildren(drawn(map, contour, width));
  }

  const list = id("slide-map"), range = id("slide-threshold");
  list.replaceChildren(...maps.map((map, place) => {
    const option = document.createElement("option");
    option.value = String(place);
    option.textContent = map.label;
    return option;
  }));
  range.max = String(data.thresholds.length - 1);
  range.value = String(data.default);
  list.addEventListener("change", show);
  range.addEventListener("input", show);
  let waiting = 0;
  addEventListener("resize", () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(show); });
  id("slide").hidden = false;
  show();
})();
