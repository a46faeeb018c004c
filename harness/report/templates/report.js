/* The interactive part of report.html: filters, figure, heat map and table over one set of points.

In: the JSON in #points, Vega-Embed (where the page holds it). Out: what stands in #explore. Every text is set as text,
never as HTML; nothing is requested; expressions of Vega are interpreted, not compiled, so that the page's policy need
not allow `eval`.

Filters say which points there are; a choice (a mode of the legend, a cell of the map) says which of them count: the
figure fades the others, map and table leave them out; the current point is shown in all three. */
"use strict";
(() => {
  const id = (name) => document.getElementById(name);
  const data = JSON.parse(id("points").textContent);
  if (!data.rows) return;

  // What is drawn and set at once: above these an interval or a line could not be told from its neighbours.
  const MOST_INTERVALS = 2000, MOST_SVG = 1500, MOST_TICKS = 12, MOST_PRINTED = 500;
  const ROW = 26, SPARE = 12; // pixels of a row; rows set beyond those that are seen
  const CELL = ["environment", "mode", "depth", "batch"]; // what can be chosen
  const SHARES = ["dispatch_share", "scaling_efficiency"];
  const PLACES = ["depth", "batch", "devices", "width"];
  // What a mark's colour and shape say; lines differ in other axes: in one by their dashes, in the rest by what stands at their end.
  const BY_LOOK = ["environment", "mode", "status"];
  const DASHES = [[1, 0], [7, 3], [2, 3], [9, 3, 2, 3]], STROKES = ["\u2501\u2501\u2501", "\u2501 \u2501", "\u2505\u2505", "\u2501 \u00b7"];
  const HEIGHT = 340, LINE = 12, MOST_LABELS = 60, LETTER = 5.6, MOST_ROOM = 220;

  // ---- points: read by column
  const columns = new Map();
  for (const each of data.columns) {
    each.isText = "words" in each;
    each.at = each.isText ? (row) => each.words[each.codes[row]] : (row) => each.values[row];
    columns.set(each.name, each);
  }
  const everything = Array.from({ length: data.rows }, (_, row) => row);
  const at = (name, row) => { const own = columns.get(name); return own ? own.at(row) : null; };
  const distinct = (name) => {
    const own = columns.get(name);
    if (!own) return [];
    if (own.isText) return own.words.filter((word) => word !== "");
    return [...new Set(own.values)].filter((value) => value !== null).sort((a, b) => a - b);
  };
  const number = (value) => {
    if (value === null) return "";
    const rounded = Number(value.toPrecision(4));
    return Math.abs(rounded) >= 1e-4 || rounded === 0
      ? rounded.toLocaleString("en", { maximumSignificantDigits: 6 }) : String(rounded);
  };
  const shown = (name, row) => {
    const value = at(name, row);
    return value === null ? "" : typeof value === "number" ? number(value) : value;
  };
  const interval = (name, row) => {
    const [low, high] = (data.ends[name] || []).map((end) => at(end, row));
    return low == null || high == null ? "" : ` [${number(low)}, ${number(high)}]`;
  };
  // How points look: by mode, or, where there are several environments, by both.
  const several = data.looks.some(([environment]) => environment !== "");
  const nameOf = (environment, mode) => (several ? `${environment} ${mode}` : mode);
  const LOOKS = data.looks.map(([environment, mode, colour, shape]) =>
    ({ name: nameOf(environment, mode), environment, mode, colour, shape }));
  const byName = new Map(LOOKS.map((look) => [look.name, look]));
  const lookOf = (row) => byName.get(nameOf(several ? at("environment", row) : "", at("mode", row)));
  const GLYPHS = { circle: "\u25cf", square: "\u25a0", "triangle-up": "\u25b2", diamond: "\u25c6", "triangle-down": "\u25bc",
    cross: "\u271a", "triangle-right": "\u25b6", "triangle-left": "\u25c0" };
  const make = (tag, attributes = {}, ...inside) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== false && value !== null) made.setAttribute(name, value);
    }
    made.append(...inside);
    return made;
  };

  // ---- what is asked for
  const sizes = new Set(everything.map((row) => `${at("depth", row)} ${at("width", row)} ${at("family", row)}`));
  const filters = data.filters.filter((name) => distinct(name).length > 1)
    // Depth, width and family say what a model's name says.
    .filter((name) => name !== "model" || distinct("model").length !== sizes.size);
  const varied = filters.filter((name) => name !== "status");
  const measures = data.measures.filter((name) => columns.has(name));
  const places = [...PLACES.filter((name) => distinct(name).length > 1), "mode"];
  const state = {
    filter: {}, words: "", choice: {}, current: -1, all: false, sort: null, down: false,
    x: places.includes("batch") ? "batch" : places[0], y: measures[0] || "",
  };
  let filtered = everything, chosen = everything, order = everything;

  let haystack = null;
  const texts = () => {
    if (!haystack) {
      const named = [...columns.values()].filter((each) => each.isText || PLACES.includes(each.name));
      haystack = everything.map((row) => named.map((each) => each.at(row)).join(" ").toLowerCase());
    }
    return haystack;
  };
  const passes = (wanted) => {
    const asked = Object.entries(wanted).filter(([name, value]) => value !== "" && columns.has(name));
    return (row) => asked.every(([name, value]) => String(at(name, row)) === value);
  };

  function select() {
    const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
    filtered = everything.filter(passes(state.filter));
    if (words.length) {
      const hay = texts();
      filtered = filtered.filter((row) => words.every((word) => hay[row].includes(word)));
    }
    known.clear();
    chosen = Object.keys(state.choice).length ? filtered.filter(passes(state.choice)) : filtered;
    order = sorted(chosen);
    if (!filtered.includes(state.current)) state.current = -1;
  }

  function sorted(rows) {
    if (!state.sort) return rows;
    const own = columns.get(state.sort), sign = state.down ? -1 : 1;
    // Words are ranked once; what is not there comes last, whichever way it goes.
    const ranks = own.isText && new Map([...own.words].sort().map((word, rank) => [word, word === "" ? null : rank]));
    const value = own.isText ? (row) => ranks.get(own.at(row)) : own.at;
    return [...rows].sort((a, b) => {
      const left = value(a), right = value(b);
      if (left === null || right === null) return (left === null) - (right === null) || a - b;
      return sign * (left - right) || a - b;
    });
  }

  // ---- the figure
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const known = new Map(); // of the points that are filtered: forgotten when others are
  function axisOf(name) {
    if (!known.has(name)) {
      const seen = new Set();
      let least = Infinity, most = -Infinity;
      for (const row of filtered) {
        const value = at(name, row);
        if (value === null) continue;
        if (seen.size <= MOST_TICKS) seen.add(value);
        if (value < least) least = value;
        if (value > most) most = value;
      }
      const log = most > least && least > 0 && most / least >= 8 && !SHARES.includes(name);
      known.set(name, { values: [...seen].sort((a, b) => a - b), least, most, log });
    }
    return known.get(name);
  }

  // 1, 10, 100; over less than two decades 1, 2, 5, 10 too.
  function decades(least, most) {
    const low = Math.floor(Math.log10(least)), high = Math.ceil(Math.log10(most));
    const steps = high - low > 3 ? [1] : [1, 2, 5];
    return Array.from({ length: high - low + 1 }, (_, place) => steps.map((one) => one * 10 ** (low + place))).flat();
  }

  // By which axes lines are told apart: dashed by one of few values, so that the labels at their ends stay short.
  function toldApart() {
    if (state.x === "mode" || filtered.length > MOST_INTERVALS) return { dashed: null, labelled: [] };
    const values = (name) => [...new Set(filtered.map((row) => at(name, row)))].filter((value) => value !== null && value !== "");
    const axes = filters.filter((name) => name !== state.x && !BY_LOOK.includes(name))
      .map((name) => ({ name, values: values(name).sort((a, b) => (a < b ? -1 : 1)) })).filter((each) => each.values.length > 1);
    const few = axes.filter((each) => each.values.length <= DASHES.length && (each.name !== "depth" || axes.length === 1));
    const dashed = few.find((each) => each.name === "devices") || few[few.length - 1] || null;
    // One axis alone has both: several lines may end where there is room for one label.
    return { dashed, labelled: axes.filter((each) => axes.length === 1 || each !== dashed).map((each) => each.name) };
  }

  // What stands at the end of lines: of lines that end within a line of text of each other one label.
  function labelsOf(points) {
    const { labelled } = toldApart(), ends = new Map(), up = axisOf(state.y);
    if (!labelled.length) return [];
    for (const point of points) {
      const key = `${lookOf(point.row).name}|${point.series}`, known = ends.get(key);
      if (point.on === 1 && (!known || point.x > known.x)) ends.set(key, point);
    }
    const scale = (value) => (up.log ? Math.log(value) : value);
    const all = points.flatMap((each) => [each.y, each.low ?? each.y, each.high ?? each.y]).filter((value) => !up.log || value > 0).map(scale);
    const low = all.reduce((a, b) => Math.min(a, b), Infinity), high = all.reduce((a, b) => Math.max(a, b), -Infinity);
    const place = (point) => (HEIGHT * (scale(point.y) - low)) / (high - low || 1);
    const groups = [];
    for (const point of [...ends.values()].sort((a, b) => a.x - b.x || a.y - b.y)) {
      const last = groups[groups.length - 1];
      if (last && last[0].x === point.x && place(point) - place(last[last.length - 1]) < LINE) last.push(point);
      else groups.push([point]);
    }
    const words = (name, group) => {
      const values = [...new Set(group.map((point) => at(name, point.row)))].filter((value) => value !== null && value !== "")
        .sort((a, b) => (a < b ? -1 : 1));
      const said = values.length > 2 ? `${values[0]} to ${values[values.length - 1]}` : values.join(" and ");
      return values.length && columns.get(name).isText ? said : values.length ? `${name} ${said}` : "";
    };
    return groups.slice(0, MOST_LABELS).map((group) => {
      const middle = group[group.length >> 1];
      return { x: middle.x, y: middle.y, text: labelled.map((name) => words(name, group)).filter(Boolean).join(", ") };
    });
  }
  // Of the longest label that there may be once others are chosen: the figure keeps its width then.
  function room() {
    const letters = toldApart().labelled.map((name) => {
      const longest = distinct(name).reduce((most, value) => Math.max(most, String(value).length), 0);
      return 2 * longest + 4 + (columns.get(name).isText ? 0 : name.length + 1);
    });
    const wanted = letters.length ? 10 + LETTER * (letters.reduce((a, b) => a + b) + 2 * letters.length - 2) : 0;
    return Math.min(wanted, MOST_ROOM, id("chart").clientWidth / 3);
  }

  function sayLines() {
    const { dashed, labelled } = toldApart();
    const said = dashed ? [`${dashed.name}: ${dashed.values.map((value, place) => `${STROKES[place]} ${value}`).join(", ")}`] : [];
    if (dashed && labelled.includes(dashed.name)) said[0] += ", and at their ends";
    else if (labelled.length) said.push(`${labelled.join(", ")}: at the end of each line`);
    id("lines-said").textContent = said.length ? `Lines by ${said.join("; by ")}.` : "";
  }

  function specification() {
    const values = pointsOfFigure(), labels = labelsOf(values);
    const ink = style("--ink"), faint = style("--faint"), line = style("--line");
    const modes = data.modes;
    const across = axisOf(state.x), up = axisOf(state.y);
    const few = across.values.length <= MOST_TICKS ? { values: across.values } : {};
    const x = state.x === "mode"
      ? { field: "x", type: "nominal", sort: modes, title: "mode", axis: { labelAngle: -35 } }
      : { field: "x", type: "quantitative", title: state.x, axis: { format: ",~g", ...few },
          scale: across.log ? { type: "log", base: 2, nice: false, padding: 18 } : { zero: false, padding: 18 } };
    const y = { field: "y", type: "quantitative", title: state.y,
      axis: { format: SHARES.includes(state.y) ? ".0%" : ",~g", tickCount: 6,
        ...(up.log ? { values: decades(up.least, up.most) } : {}) },
      scale: up.log ? { type: "log", nice: false, padding: 12 } : { zero: SHARES.includes(state.y) } };
    // As they are: a scale would be looked up for each point by an expression, which is interpreted.
    const own = (field) => ({ field, type: "nominal", scale: null });
    const color = own("colour");
    const opacity = { field: "on", type: "quantitative", scale: null };
    const fine = filtered.length <= MOST_INTERVALS;
    const layers = [
      fine && state.x !== "mode" && { transform: [{ filter: "datum.on == 1" }],
        mark: { type: "line", strokeWidth: 1.3, strokeOpacity: 0.55 },
        encoding: { x, y, color, detail: { field: "series" }, order: { field: "x" }, strokeDash: own("dash") } },
      fine && { transform: [{ filter: "isValid(datum.low)" }], mark: { type: "rule", strokeWidth: 1.5 },
        encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color, opacity } },
      { mark: { type: "point", filled: false, size: fine ? 55 : 14, strokeWidth: 1.6, cursor: "pointer" },
        encoding: { x, y, color, opacity, fill: own("fill"), ...(several ? { shape: own("shape") } : {}) } },
      { data: { name: "labels", values: labels },
        mark: { type: "text", align: "left", dx: 9, fontSize: 10.5, color: ink, limit: room() },
        encoding: { x, y, text: { field: "text" } } },
      { transform: [{ filter: "datum.now" }], mark: { type: "point", size: 260, strokeWidth: 2.5, stroke: ink },
        encoding: { x, y } },
    ];
    return {
      width: "container", height: HEIGHT, background: "transparent",
      padding: { left: 5, top: 5, bottom: 5, right: 5 + room() },
      data: { name: "points", values },
      layer: layers.filter(Boolean),
      // What has no place is not among the points.
      config: { mark: { invalid: null }, aria: false, font: "system-ui, sans-serif", view: { stroke: line },
        axis: { labelColor: ink, titleColor: ink, gridColor: line, domainColor: faint, tickColor: faint } },
    };
  }

  function pointsOfFigure() {
    const counts = passes(state.choice), [low, high] = data.ends[state.y] || [];
    const apart = filters.filter((name) => name !== state.x && name !== "status"), { dashed } = toldApart();
    const log = axisOf(state.y).log, lines = filtered.length <= MOST_INTERVALS;
    const made = [], paper = style("--paper");
    for (const row of filtered) {
      const x = at(state.x, row), y = at(state.y, row);
      if (x === null || y === null || (log && y <= 0)) continue;
      const look = lookOf(row);
      made.push({ row, x, y, low: low && at(low, row), high: high && at(high, row), colour: look.colour,
        fill: data.hollow[row] === 1 ? paper : look.colour, shape: look.shape,
        series: lines ? apart.map((name) => at(name, row)).join("|") : "",
        dash: dashed ? DASHES[Math.max(dashed.values.indexOf(at(dashed.name, row)), 0)] : DASHES[0],
        on: counts(row) ? 1 : 0.2, now: row === state.current });
    }
    return made;
  }

  let figure = null, turn = 0;
  async function draw(anew) {
    const mark = filtered.some((row) => data.emulated[row]) ? data.mark : "";
    for (const each of document.querySelectorAll("#explore .mark")) {
      each.textContent = mark ? `${mark}.` : "";
      each.hidden = !mark;
    }
    if (!window.vegaEmbed || !state.y) { id("live").hidden = true; return; }
    const own = ++turn;
    const ready = () => { if (own === turn) id("chart").dataset.ready = String(own); };
    delete id("chart").dataset.ready;
    if (figure && !anew) {
      const points = pointsOfFigure();
      figure.view.data("points", points).data("labels", labelsOf(points));
      await figure.view.runAsync();
      ready();
      return;
    }
    const made = await window.vegaEmbed(id("chart"), specification(), {
      mode: "vega-lite", ast: true, actions: false, tooltip: false, defaultStyle: false,
      logLevel: 1, renderer: filtered.length <= MOST_SVG ? "svg" : "canvas",
    });
    if (own !== turn) { made.finalize(); return; } // asked again meanwhile
    if (figure) figure.finalize();
    figure = made;
    const of = (item) => (item && item.mark && item.mark.marktype === "symbol" ? item.datum.row : -1);
    made.view.addEventListener("pointermove", (event, item) => hover(of(item), event));
    made.view.addEventListener("click", (event, item) => { if (of(item) >= 0) go(of(item)); });
    ready();
  }

  function lines(row) {
    const told = [[state.y, shown(state.y, row) + interval(state.y, row)]];
    for (const name of filters.length ? filters : ["mode"]) told.push([name, shown(name, row)]);
    for (const name of ["rounds", "sessions", "verdict", "error"]) told.push([name, shown(name, row)]);
    told.push(["warnings", shown("warnings", row) || "none"], ["key", shown("key", row)]);
    const seen = new Set();
    return told.filter(([name, value]) => value !== "" && !seen.has(name) && seen.add(name));
  }

  function hover(row, event) {
    const tip = id("tip");
    tip.hidden = row < 0;
    if (row < 0) return;
    tip.replaceChildren(...lines(row).map(([name, value]) => make("div", {}, make("b", {}, `${name} `), value)));
    const width = Math.min(tip.offsetWidth, innerWidth), left = Math.min(event.clientX + 14, innerWidth - width - 8);
    const below = event.clientY + 14 + tip.offsetHeight < innerHeight;
    tip.style.left = `${Math.max(left, 4)}px`;
    tip.style.top = `${below ? event.clientY + 14 : Math.max(event.clientY - 14 - tip.offsetHeight, 4)}px`;
  }

  // ---- legend and heat map: choices
  function choose(wanted) {
    const same = Object.entries(wanted).every(([name, value]) => state.choice[name] === value);
    for (const [name, value] of Object.entries(wanted)) {
      if (same) delete state.choice[name]; else state.choice[name] = value;
    }
    update();
  }

  function legend() {
    const present = new Set(filtered.map(lookOf)), parts = new Map();
    for (const look of LOOKS.filter((each) => present.has(each))) {
      const { environment, mode } = look, wanted = several ? { environment, mode } : { mode };
      const patch = make("span", { class: "patch", "aria-hidden": "true", "data-glyph": GLYPHS[look.shape] });
      patch.style.color = look.colour;
      const pressed = Object.entries(wanted).every(([name, value]) => state.choice[name] === value);
      const button = make("button", { type: "button", "data-focus": `look ${look.name}`, "aria-pressed": String(pressed),
        onclick: () => choose(wanted) }, patch, mode);
      if (!parts.has(environment)) parts.set(environment, []);
      parts.get(environment).push(button);
    }
    id("legend").replaceChildren(...(several
      ? [...parts].map(([environment, buttons]) =>
        make("div", { class: "part", role: "group", "aria-label": environment }, make("b", {}, environment), ...buttons))
      : parts.get("") || []));
  }

  function map() {
    const depths = distinct("depth"), batches = distinct("batch");
    id("map-part").hidden = !state.y || batches.length * Math.max(depths.length, 1) < 2;
    if (id("map-part").hidden) return;
    const { environment, mode } = state.choice, cells = new Map();
    const counted = filtered.filter(passes({ environment: environment || "", mode: mode || "" }));
    for (const row of counted) {
      const value = at(state.y, row);
      if (value === null) continue;
      const key = `${at("depth", row)} ${at("batch", row)}`;
      if (!cells.has(key)) cells.set(key, []);
      cells.get(key).push(value);
    }
    const median = (values) => { values.sort((a, b) => a - b); return values[values.length >> 1]; };
    const medians = new Map([...cells].map(([key, values]) => [key, median(values)]));
    const all = [...medians.values()], log = all.every((value) => value > 0);
    const scale = (value) => (log ? Math.log(value) : value);
    const least = Math.min(...all.map(scale)), span = Math.max(...all.map(scale)) - least || 1;
    const head = make("tr", {}, make("th", { scope: "col" }, depths.length ? "depth \\ batch" : "batch"),
      ...batches.map((batch) => make("th", { scope: "col" }, String(batch))));
    const lines = (depths.length ? depths : [null]).map((depth) => make("tr", {},
      make("th", { scope: "row" }, depth === null ? "" : String(depth)),
      ...batches.map((batch) => {
        const key = `${depth} ${batch}`;
        if (!medians.has(key)) return make("td", {}, "");
        const value = medians.get(key), wanted = { batch: String(batch) };
        if (depth !== null) wanted.depth = String(depth);
        const pressed = Object.entries(wanted).every(([name, text]) => state.choice[name] === text);
        const where = Object.entries(wanted).map(([name, text]) => `${name} ${text}`).join(", ");
        const here = state.current >= 0 && at("batch", state.current) === batch &&
          (depth === null || at("depth", state.current) === depth);
        const button = make("button", { type: "button", "aria-pressed": String(pressed), class: here ? "now" : false,
          "data-focus": `cell ${key}`, onclick: () => choose(wanted),
          "aria-label": `${where}: ${number(value)}, median of ${cells.get(key).length}` }, number(value));
        // No darker than a text in the page's ink can be read on.
        button.style.setProperty("--share", `${Math.round(5 + (40 * (scale(value) - least)) / span)}%`);
        return make("td", {}, button);
      })));
    id("map").replaceChildren(make("thead", {}, head), make("tbody", {}, ...lines));
    const over = varied.filter((name) => !["depth", "batch"].includes(name) && new Set(counted.map((row) => at(name, row))).size > 1);
    id("map-said").textContent = `Median ${state.y}${mode ? ` of ${nameOf(environment, mode)}` : ""}` +
      (over.length ? ` over every ${over.join(", ")} that is shown. ` : ". ");
  }

  // ---- table: only the rows that are seen are set
  const headers = () => {
    const names = state.all ? [...columns.keys()] : [...varied, state.y, ...(data.ends[state.y] || []), ...data.main];
    return [...new Set(names)].filter((name) => columns.has(name));
  };
  let names = [], widths = [];

  function table() {
    names = headers();
    const some = order.slice(0, 200);
    widths = names.map((name) => Math.min(Math.max(name.length + 3, ...some.map((row) => shown(name, row).length + 2)), 36));
    id("rows-head").replaceChildren(make("tr", {}, ...names.map((name, place) => {
      const own = state.sort === name, way = own ? (state.down ? "descending" : "ascending") : "none";
      const cell = make("th", { scope: "col", "aria-sort": way, title: columns.get(name).about },
        make("button", { type: "button", "data-focus": `sort ${name}`, onclick: () => sortBy(name) },
          name + (own ? (state.down ? " ▼" : " ▲") : "")));
      cell.style.width = `${widths[place]}ch`;
      return cell;
    })));
    id("rows").style.width = `${widths.reduce((sum, width) => sum + width, 0)}ch`;
    id("rows").setAttribute("aria-rowcount", String(order.length + 1));
    body();
  }

  function body(whole) {
    const box = id("rows-box");
    const first = whole ? 0 : Math.max(0, Math.floor(box.scrollTop / ROW) - SPARE);
    const last = whole ? Math.min(order.length, MOST_PRINTED)
      : Math.min(order.length, Math.ceil((box.scrollTop + box.clientHeight) / ROW) + SPARE);
    const gap = (rows) => {
      const cell = make("td", { colspan: names.length });
      cell.style.height = `${rows * ROW}px`;
      return make("tr", { "aria-hidden": "true", class: "gap" }, cell);
    };
    const set = [];
    if (first) set.push(gap(first));
    for (let place = first; place < last; place++) {
      const row = order[place];
      set.push(make("tr", { "aria-rowindex": place + 2, class: row === state.current ? "now" : false, "data-row": row },
        ...names.map((name) => make("td", { class: columns.get(name).isText ? false : "number",
          title: columns.get(name).isText && shown(name, row).length > 34 ? shown(name, row) : false }, shown(name, row)))));
    }
    if (last < order.length && !whole) set.push(gap(order.length - last));
    id("rows-body").replaceChildren(...set);
  }

  function sortBy(name) {
    if (state.sort !== name) [state.sort, state.down] = [name, false];
    else if (!state.down) state.down = true;
    else state.sort = null;
    order = sorted(chosen);
    keepingFocus(table);
  }

  function reveal() {
    const place = order.indexOf(state.current), box = id("rows-box");
    if (place < 0) return;
    const top = place * ROW, inside = box.clientHeight - 3 * ROW;
    if (top < box.scrollTop || top > box.scrollTop + inside) box.scrollTop = Math.max(0, top - inside / 2);
  }

  function csv() {
    const cell = (name, row) => {
      const value = at(name, row);
      if (value === null) return "";
      if (typeof value === "number") return String(value);
      const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value; // else a spreadsheet takes it for a formula
      return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
    };
    const all = [...columns.keys()];
    const text = [all.join(","), ...order.map((row) => all.map((name) => cell(name, row)).join(","))].join("\n");
    const address = URL.createObjectURL(new Blob([`${text}\n`], { type: "text/csv" }));
    make("a", { href: address, download: "points-shown.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  }

  // ---- the current point, in figure, map, table and words
  function go(row) {
    state.current = row;
    point();
    keepingFocus(() => { legend(); map(); });
    reveal();
    body();
    draw(false);
  }

  function point() {
    const row = state.current;
    id("point").replaceChildren(...(row < 0
      ? [make("span", { class: "asked" }, "No point is picked: click one, or a row, or use the arrow keys.")]
      : lines(row).map(([name, value]) => make("span", {}, make("b", {}, name), ` ${value}`))));
  }

  function step(rows, by) {
    if (!rows.length) return;
    const place = rows.indexOf(state.current);
    go(rows[place < 0 ? 0 : Math.min(Math.max(place + by, 0), rows.length - 1)]);
  }

  function keepingFocus(change) {
    const before = document.activeElement && document.activeElement.dataset.focus;
    change();
    if (before) [...document.querySelectorAll("[data-focus]")].find((each) => each.dataset.focus === before)?.focus();
  }

  // ---- all together
  function say() {
    const picked = Object.entries(state.choice).map(([name, value]) => `${name} ${value}`).join(", ");
    const few = filtered.length > MOST_INTERVALS
      ? ` Lines and intervals are drawn up to ${MOST_INTERVALS.toLocaleString("en")} points.` : "";
    id("said").textContent = `${filtered.length.toLocaleString("en")} of ${data.rows.toLocaleString("en")} points` +
      (picked ? `; chosen: ${picked} (${chosen.length.toLocaleString("en")} points).` : ".") + few;
  }

  let drawnAs = "";
  function update() {
    select();
    say();
    sayLines();
    keepingFocus(() => { legend(); map(); table(); });
    point();
    // Anew only where axes, looks or the kind of drawing change: else the points are replaced.
    const as = [state.x, state.y, toldApart().labelled, axisOf(state.x).values, axisOf(state.y).log, style("--paper"),
      filtered.length <= MOST_INTERVALS, filtered.length <= MOST_SVG].join(" ");
    draw(as !== drawnAs);
    drawnAs = as;
  }

  function offer(name, values, label, change, value) {
    const list = make("select", { "data-filter": name, onchange: (event) => change(event.target.value) },
      ...values.map(([own, text]) => make("option", { value: own }, text)));
    list.value = value;
    return make("label", {}, label, list);
  }

  function controls() {
    const asked = filters.map((name) => offer(name,
      [["", "all"], ...distinct(name).map((value) => [String(value), String(value)])],
      name, (value) => { state.filter[name] = value; update(); }, state.filter[name] || ""));
    const same = (each) => [each, each];
    asked.push(offer("x", places.map(same), "x axis", (value) => { state.x = value; update(); }, state.x));
    if (state.y) asked.push(offer("y", measures.map(same), "y axis", (value) => { state.y = value; update(); }, state.y));
    id("filters").replaceChildren(...asked);
  }

  function clear() {
    Object.assign(state, { filter: {}, choice: {}, words: "", current: -1 });
    id("search").value = "";
    controls();
  }

  // A finding's rows: what a filter can say is filtered, a mode and a cell are chosen.
  function follow(wanted) {
    clear();
    for (const [name, value] of wanted) {
      if (CELL.includes(name)) state.choice[name] = value;
      else if (filters.includes(name)) state.filter[name] = value;
    }
    controls();
    update();
  }

  function keys(rows) {
    return (event) => {
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, PageDown: 10, PageUp: -10,
        Home: -data.rows, End: data.rows }[event.key];
      if (by === undefined || event.target !== event.currentTarget) return;
      event.preventDefault();
      step(rows(), by);
    };
  }

  function theme() {
    const dark = document.documentElement.dataset.theme
      ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.classList.toggle("dark", dark);
    id("theme").textContent = dark ? "Light" : "Dark";
    id("theme").setAttribute("aria-label", `Show the page ${dark ? "light" : "dark"}`);
    return dark;
  }

  id("explore").hidden = false;
  id("theme").hidden = false;
  document.documentElement.classList.add("scripted");
  controls();
  theme();
  id("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = theme() ? "light" : "dark";
    theme();
    update();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { theme(); update(); });
  id("clear").addEventListener("click", () => { clear(); update(); });
  id("csv").addEventListener("click", csv);
  id("all-columns").addEventListener("change", (event) => { state.all = event.target.checked; table(); });
  let waiting = 0;
  id("search").addEventListener("input", (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { state.words = event.target.value; update(); }, 120);
  });
  id("rows-box").addEventListener("scroll", () => requestAnimationFrame(() => body()), { passive: true });
  id("rows-body").addEventListener("click", (event) => {
    const line = event.target.closest("tr[data-row]");
    if (line) go(Number(line.dataset.row));
  });
  const inFigure = () => [...chosen].filter((row) => at(state.y, row) !== null).sort((a, b) => {
    const left = at(state.x, a), right = at(state.x, b);
    return left < right ? -1 : left > right ? 1 : a - b;
  });
  id("chart-box").addEventListener("keydown", keys(inFigure));
  id("rows-box").addEventListener("keydown", keys(() => order));
  id("chart-box").addEventListener("pointerleave", () => hover(-1));
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hover(-1); });
  for (const link of document.querySelectorAll("a[data-rows]")) {
    link.addEventListener("click", () => follow(JSON.parse(link.dataset.rows)));
  }
  for (const link of document.querySelectorAll("a[data-figure]")) {
    link.addEventListener("click", () => {
      const found = document.querySelector(link.getAttribute("href"));
      if (found && found.type === "radio") found.checked = true;
    });
  }
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const part of closed) part.open = true;
    body(true);
    id("rows-said").textContent = order.length > MOST_PRINTED
      ? `The first ${MOST_PRINTED} of ${order.length.toLocaleString("en")} points; all are in points.csv.` : "";
  });
  addEventListener("afterprint", () => {
    for (const part of closed) part.open = false;
    id("rows-said").textContent = "";
    body();
  });
  update();
})();
