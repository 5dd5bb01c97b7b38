// The map: points, pictures at every zoom, named regions, filters, and selections that have an address.
'use strict';
document.documentElement.classList.add('has-script');

const NO_YEAR = -32768;
const STEPS = 65535;
const LISTED = 200;
const LARGE_PICTURES = 60, FEW_PICTURES = 24; // so few are in view that each is fetched by itself, larger than on a sheet
const CELL_PX = 62; // at most one picture in a square of this size, or up to twice as large
const TILE_PX = 64, SHEET_COLUMNS = 16, PER_SHEET = 128;
const MIN_OF_SHEET = 4; // pictures for which a sheet is fetched; fewer are fetched one by one
const UNITS = 256, MAX_CORNERS = 40;
const BINS = 48;
const NO_CLASS = '#8d8983';
const root = document.querySelector('[data-map]');
const TASKS = [...root.querySelectorAll('[data-legend]')].map((legend) => legend.dataset.legend);
const view = root.querySelector('.view');
const canvas = view.querySelector('canvas');
const pen = canvas.getContext('2d');
const tooltip = root.querySelector('.tooltip');
const listed = root.querySelector('.listed');
const timeline = root.querySelector('[data-timeline]');
const dark = matchMedia('(prefers-color-scheme: dark)');

let count = 0, order, xs, ys, firstYears, lastYears, aspects, codes = {}, works = null, points = null;
let shown = new Uint8Array(0), shownCount = 0;
let by = TASKS[0], marked = null, pointed = -1, hasPictures = true;
const chosen = Object.fromEntries(TASKS.map((task) => [task, new Set()]));
let years = null; // { low, high } of the collection, and { from, to } of the filter
let selection = null; // corners, in the steps of the map
let scale = 1, left = 0, top_ = 0, ratio = 1, isDrawRequested = false, lasso = null, lassoing = false;
let pictured = []; // [work, x, y, width, height] of what was drawn last
const thumbnails = new Map(), sheets = new Map();
const sheetNames = root.dataset.sheets.split(' ').filter(Boolean);
const centre = [Number(root.dataset.centreX), Number(root.dataset.centreY)], side = Number(root.dataset.side);
const regions = [...root.querySelectorAll('[data-region]')].map((item) => ({
  name: item.dataset.name, level: Number(item.dataset.level), x: Number(item.dataset.x), y: Number(item.dataset.y), top: Number(item.dataset.top), width: Number(item.dataset.width), item,
}));

const encoded = (id) => id.split('/').map(encodeURIComponent).join('/');
const withoutDots = (id) => id.replace(/(?<![^/])~*\.\.?(?![^/])/g, '~$&'); // as `in_address` does
// An exported site has a path for each work, and no pictures of those that are not open.
const address = (i) => encoded(works.paths?.[i] ?? withoutDots(works.ids[i]));
const workLink = (i) => root.dataset.workLink.replace('ID', address(i));
const imageLink = (i) => (works.closed?.has(i) ? root.dataset.closedLink : root.dataset.imageLink.replace('ID', address(i)));
const folded = (text) => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
const worksText = (number) => `${number.toLocaleString('en')} ${number === 1 ? 'work' : 'works'}`;
const yearText = (year) => (year < 0 ? `${-year} BC` : `${year}`);
const hashState = () => new URLSearchParams(location.hash.slice(1));

async function load() {
  // An exported site has the data as a script, because a page opened from a folder may not fetch.
  const embedded = window.artpipeMap;
  let buffer;
  if (embedded) {
    buffer = Uint8Array.from(atob(embedded.points), (letter) => letter.charCodeAt(0)).buffer;
    works = { ...embedded.works, closed: new Set(embedded.works.closed) };
  } else {
    const response = await fetch(root.dataset.points);
    if (!response.ok) throw new Error('The map could not be loaded; reload the page.');
    buffer = await response.arrayBuffer();
  }
  count = new DataView(buffer).getUint32(0, true);
  let offset = 4;
  const take = (Kind) => { const part = new Kind(buffer, offset, count); offset += part.byteLength; return part; };
  order = take(Uint32Array);
  [xs, ys, firstYears, lastYears] = [Uint16Array, Uint16Array, Int16Array, Int16Array].map(take);
  for (const task of TASKS) codes[task] = take(Uint8Array);
  aspects = take(Uint8Array);
  shown = new Uint8Array(count).fill(1);
  points = pointLayer(view);
  points?.places(xs, ys);
  findYears();
  fit();
  restoreView();
  root.querySelector('.loading').hidden = true;
  requestDraw();
  if (!works) works = await (await fetch(root.dataset.works)).json();
  restoreMarks();
  root.dataset.ready = 'yes';
  requestDraw();
}

// --- the view -------------------------------------------------------------------------------------------------------

function size() {
  ratio = Math.min(2, devicePixelRatio || 1);
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  requestDraw();
}

const TOOLS_PX = 60;
const fitScale = () => 0.92 * Math.min(canvas.clientWidth, canvas.clientHeight - TOOLS_PX) / STEPS;
const cellPx = () => Math.min(CELL_PX, Math.min(canvas.clientWidth, canvas.clientHeight) / 9);

function fit() {
  scale = fitScale();
  left = (canvas.clientWidth - STEPS * scale) / 2;
  top_ = (canvas.clientHeight - TOOLS_PX - STEPS * scale) / 2;
}

const screenX = (i) => xs[i] * scale + left;
const screenY = (i) => (STEPS - ys[i]) * scale + top_;

function requestDraw() {
  if (!isDrawRequested) { isDrawRequested = true; requestAnimationFrame(draw); }
}

const isShown = (i) => shown[i] === 1;
const colourOf = (i) => colours[by]?.get(codes[by][i]) ?? NO_CLASS;

function draw() {
  isDrawRequested = false;
  if (!count) return;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const zoom = scale / fitScale();
  const base = Math.max(1.5, Math.min(5, 150 / Math.sqrt(count)));
  const radius = Math.min(9, base * Math.pow(Math.max(1, zoom), 0.45));
  const look = { alpha: marked ? 0.3 : 0.9, faint: shownCount < count ? 0.12 : 0 };
  if (points && !points.isLost) points.draw({ width, height, ratio, scale, left, top: top_, radius, ...look });
  else drawPoints(radius, look);
  pictured = [];
  if (marked && selection) drawMarks(radius); // the pictures of a selection stay visible, ...
  if (hasPictures) drawPictures(width, height);
  if (marked && !selection) drawMarks(radius); // ... and works that were looked for lie above the others
  if (selection) drawPolygon(selection.map(([x, y]) => [x * scale + left, (STEPS - y) * scale + top_]));
  if (lasso?.length > 1) drawPolygon(lasso);
  drawRegions(width, height, zoom);
}

// Without WebGL: squares written into the pixels of the canvas, many times faster than shapes.
function drawPoints(radius, { alpha, faint }) {
  const width = canvas.width, height = canvas.height, image = pen.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer), edge = Math.max(1, Math.round(1.8 * radius * ratio));
  const packed = (text, opacity) => [5, 3, 1].reduce((sum, at) => sum * 256 + parseInt(text.slice(at, at + 2), 16), Math.round(opacity * 255));
  const colourOfCode = Array.from({ length: 256 }, (_, code) => packed(colours[by]?.get(code) ?? NO_CLASS, alpha));
  const faintColour = packed(NO_CLASS, faint);
  for (let rank = count - 1; rank >= 0; rank--) {
    const i = order[rank];
    if (!isShown(i) && !faint) continue;
    const x = Math.round(screenX(i) * ratio - edge / 2), y = Math.round(screenY(i) * ratio - edge / 2);
    if (x < 0 || y < 0 || x + edge > width || y + edge > height) continue;
    const colour = isShown(i) ? colourOfCode[codes[by]?.[i] ?? 255] : faintColour;
    for (let row = y * width + x, end = row + edge * width; row < end; row += width) pixels.fill(colour, row, row + edge);
  }
  pen.putImageData(image, 0, 0);
}

// Which works are shown as pictures: in each cell of a grid the first by `order`, so that panning changes none of them.
function pick(width, height) {
  const level = Math.max(0, Math.min(14, Math.floor(Math.log2(STEPS * scale / cellPx()))));
  const shift = 16 - level, cell = STEPS * scale / 2 ** level, taken = new Set(), found = [];
  const low = -left / scale, high = (width - left) / scale, bottom = STEPS - (height - top_) / scale, upper = STEPS + top_ / scale;
  for (let rank = 0; rank < count; rank++) {
    const i = order[rank], x = xs[i], y = ys[i];
    if (x < low || x > high || y < bottom || y > upper || !isShown(i)) continue;
    const key = (x >> shift) * 65536 + (y >> shift);
    if (taken.has(key)) continue;
    taken.add(key);
    found.push(rank);
    if (found.length >= 600) break;
  }
  return { found, side: Math.min(110, 0.8 * cell) };
}

function drawPictures(width, height) {
  const { found, side } = pick(width, height);
  const bySheet = new Map();
  for (const rank of found) bySheet.set(Math.floor(rank / PER_SHEET), (bySheet.get(Math.floor(rank / PER_SHEET)) ?? 0) + 1);
  const isLarge = works && (found.length <= FEW_PICTURES || (found.length <= LARGE_PICTURES && side * ratio > 1.4 * TILE_PX));
  let single = 0;
  for (const rank of found.reverse()) {
    const i = order[rank], aspect = 2 ** ((aspects[i] - 128) / 24);
    const w = side * Math.min(1, aspect), h = side / Math.max(1, aspect);
    const x = screenX(i) - w / 2, y = screenY(i) - h / 2;
    const number = Math.floor(rank / PER_SHEET);
    const needsSheet = bySheet.get(number) >= MIN_OF_SHEET || sheets.has(number) || !works;
    const sheet = needsSheet ? sheetImage(number) : null;
    const large = works && (isLarge || (!needsSheet && single++ < LARGE_PICTURES)) ? thumbnail(i) : null;
    if (large?.complete && large.naturalWidth) pen.drawImage(large, x, y, w, h);
    else if (sheet?.complete && sheet.naturalWidth) {
      const tw = TILE_PX * Math.min(1, aspect), th = TILE_PX / Math.max(1, aspect), at = rank % PER_SHEET;
      const sx = at % SHEET_COLUMNS * TILE_PX + (TILE_PX - tw) / 2, sy = Math.floor(at / SHEET_COLUMNS) * TILE_PX + (TILE_PX - th) / 2;
      pen.drawImage(sheet, sx, sy, tw, th, x, y, w, h);
    } else continue;
    pen.strokeStyle = colourOf(i);
    pen.lineWidth = 2.5;
    pen.strokeRect(x, y, w, h);
    pictured.push([i, x, y, w, h]);
  }
}

function sheetImage(number) {
  let image = sheets.get(number);
  if (!image && sheetNames[number]) {
    image = new Image();
    image.onload = requestDraw;
    image.src = root.dataset.sheetLink.replace('ID', sheetNames[number]);
    sheets.set(number, image);
  }
  return image;
}

function thumbnail(i) {
  let image = thumbnails.get(i);
  if (!image) {
    image = new Image();
    image.onload = requestDraw;
    image.src = imageLink(i);
    thumbnails.set(i, image);
    if (thumbnails.size > 600) thumbnails.delete(thumbnails.keys().next().value);
  }
  return image;
}

function drawMarks(radius) {
  pen.strokeStyle = dark.matches ? '#fff' : '#1d1b19';
  pen.lineWidth = 2;
  pen.globalAlpha = marked.length > 400 ? 0.8 : 1;
  for (const i of marked) {
    if (!isShown(i)) continue;
    pen.fillStyle = colourOf(i);
    pen.beginPath();
    pen.arc(screenX(i), screenY(i), selection || marked.length > 400 ? radius : radius + 3, 0, 7);
    pen.fill();
    if (!selection && marked.length <= 2000) pen.stroke();
  }
  pen.globalAlpha = 1;
}

function drawPolygon(corners) {
  pen.strokeStyle = dark.matches ? '#ee9580' : '#9b3423';
  pen.fillStyle = dark.matches ? 'rgb(238 149 128 / .15)' : 'rgb(155 52 35 / .1)';
  pen.lineWidth = 2;
  pen.beginPath();
  corners.forEach(([x, y], n) => (n ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.closePath();
  pen.fill();
  pen.stroke();
}

// Names where they do not overlap: of the wide regions from afar, of the small ones from near.
function drawRegions(width, height, zoom) {
  if (lasso) return;
  const level = zoom < 1.9 ? 0 : 1;
  const boxes = [];
  pen.textAlign = 'center';
  pen.textBaseline = 'middle';
  const font = width < 600 ? 12 : level ? 14 : 15;
  pen.font = `600 ${font}px ${getComputedStyle(document.body).fontFamily}`;
  for (const region of regions) {
    if (region.level !== level || region.width * scale < 60) continue;
    const middle = region.x * scale + left, centreY = region.y * scale + top_;
    if (middle < 0 || centreY < 0 || middle > width || centreY > height) continue;
    const y = Math.max(font, region.top * scale + top_ - font / 2); // above what it names
    const half = pen.measureText(region.name).width / 2 + 7;
    const x = Math.max(half + 2, Math.min(width - half - 2, middle));
    if (boxes.some(([bx, by_, bh]) => Math.abs(bx - x) < bh + half && Math.abs(by_ - y) < font + 12)) continue;
    boxes.push([x, y, half]);
    pen.fillStyle = dark.matches ? 'rgb(21 20 18 / .82)' : 'rgb(255 255 255 / .86)';
    pen.beginPath();
    pen.roundRect(x - half, y - font / 2 - 5, 2 * half, font + 10, 4);
    pen.fill();
    pen.fillStyle = dark.matches ? '#f1ede7' : '#1d1b19';
    pen.fillText(region.name, x, y);
  }
}

function zoomAt(x, y, factor) {
  const least = fitScale() * 0.5;
  const next = Math.max(least, Math.min(scale * factor, 2));
  left = x - (x - left) * next / scale;
  top_ = y - (y - top_) * next / scale;
  scale = next;
  point(-1);
  viewChanged();
}

function zoomTo(x, y, width) {
  scale = Math.max(fitScale() * 0.5, Math.min(2, Math.min(canvas.clientWidth, canvas.clientHeight) / width));
  left = canvas.clientWidth / 2 - x * scale;
  top_ = canvas.clientHeight / 2 - y * scale;
  viewChanged();
}

let saving = 0;
function viewChanged() {
  requestDraw();
  clearTimeout(saving);
  saving = setTimeout(saveView, 250);
}

// --- the address ----------------------------------------------------------------------------------------------------

// The filters as the parameters of a selection's address.
function filterFields() {
  const fields = TASKS.flatMap((task) => [...chosen[task]].map((code) => [task, classNames[task].get(code)]));
  if (years && years.from > years.low) fields.push(['year_from', years.from]);
  if (years && years.to < years.high) fields.push(['year_to', years.to]);
  return fields;
}

// The address contains the view, so that it can be shared.
function saveView() {
  const state = hashState();
  for (const name of [...TASKS, 'year_from', 'year_to', 'corners', 'only']) state.delete(name);
  state.set('x', Math.round((canvas.clientWidth / 2 - left) / scale));
  state.set('y', Math.round((canvas.clientHeight / 2 - top_) / scale));
  state.set('width', Math.round(canvas.clientWidth / scale));
  if (by) state.set('by', by);
  for (const [name, value] of filterFields()) state.append(name, value);
  if (selection) state.set('corners', cornersText(selection));
  history.replaceState(null, '', '#' + state);
}

function restoreView() {
  const state = hashState();
  const [x, y, width] = ['x', 'y', 'width'].map((name) => parseInt(state.get(name), 10));
  if ([x, y, width].every(Number.isFinite) && width > 0) {
    scale = Math.min(2, canvas.clientWidth / width);
    left = canvas.clientWidth / 2 - x * scale;
    top_ = canvas.clientHeight / 2 - y * scale;
  }
  colourBy(TASKS.includes(state.get('by')) ? state.get('by') : TASKS[0]);
  for (const task of TASKS) {
    const codeOf = new Map([...classNames[task]].map(([code, name]) => [name, code]));
    chosen[task] = new Set(state.getAll(task).filter((name) => codeOf.has(name)).map((name) => codeOf.get(name)));
    if (chosen[task].size) root.querySelector(`[data-legend=${task}]`).open = true;
  }
  // An address of an earlier release has the codes of the classes.
  for (const code of (state.get('only') ?? '').split('.').filter(Boolean)) chosen[by]?.add(Number(code));
  const wanted = ['year_from', 'year_to'].map((name) => parseInt(state.get(name), 10));
  if (years && Number.isFinite(wanted[0])) years.from = Math.max(years.low, Math.min(years.high, wanted[0]));
  if (years && Number.isFinite(wanted[1])) years.to = Math.max(years.from, Math.min(years.high, wanted[1]));
  updateShown();
}

function restoreMarks() {
  const state = hashState();
  const ids = state.has('works') ? state.get('works').split('|') : state.has('work') ? [state.get('work')] : [];
  if (state.has('corners')) {
    const corners = readCorners(state.get('corners'));
    if (corners) {
      if (!state.has('x')) zoomToPolygon(corners);
      select(corners);
    }
  } else if (ids.length) {
    const requested = new Set(ids);
    const found = [];
    works.ids.forEach((id, i) => { if (requested.has(id)) found.push(i); });
    mark(found, `${found.length} marked`);
    if (ids.length === 1 && found.length && !state.has('x')) {
      scale *= 6;
      left = canvas.clientWidth / 2 - xs[found[0]] * scale;
      top_ = canvas.clientHeight / 2 - (STEPS - ys[found[0]]) * scale;
    }
  } else if (state.get('words')) {
    root.querySelector('#map-words').value = state.get('words');
    find(state.get('words'));
  }
}

// Corners as in `map_selection.py`: int16, 256 to a unit of the map, base64url; here in the steps of the map.
function cornersText(corners) {
  const steps = new Int16Array(corners.flatMap(([x, y]) =>
    [(x / STEPS - 0.5) * side + centre[0], (y / STEPS - 0.5) * side + centre[1]].map((value) => Math.max(-32768, Math.min(32767, Math.round(value * UNITS))))));
  return btoa(String.fromCharCode(...new Uint8Array(steps.buffer))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

function readCorners(text) {
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0));
    const steps = new Int16Array(bytes.buffer), corners = [];
    for (let n = 0; n < steps.length; n += 2) {
      corners.push([0, 1].map((axis) => ((steps[n + axis] / UNITS - centre[axis]) / side + 0.5) * STEPS));
    }
    return corners.length > 2 ? corners : null;
  } catch { return null; }
}

// --- selections -----------------------------------------------------------------------------------------------------

// Fewer corners of almost the same polygon (Ramer, Douglas and Peucker), so that its address is short.
function simplified(line, tolerance) {
  let most = 0, at = 0;
  const [ax, ay] = line[0], [bx, by_] = line[line.length - 1], length = Math.hypot(bx - ax, by_ - ay);
  for (let n = 1; n < line.length - 1; n++) {
    const [x, y] = line[n];
    const away = length ? Math.abs((bx - ax) * (ay - y) - (ax - x) * (by_ - ay)) / length : Math.hypot(x - ax, y - ay);
    if (away > most) { most = away; at = n; }
  }
  if (most <= tolerance) return [line[0], line[line.length - 1]];
  return [...simplified(line.slice(0, at + 1), tolerance).slice(0, -1), ...simplified(line.slice(at), tolerance)];
}

function selectOnScreen(polygon) {
  let corners = polygon, tolerance = 0.7;
  while (corners.length > MAX_CORNERS) corners = simplified(polygon, (tolerance *= 1.4));
  const onMap = corners.map(([x, y]) => [(x - left) / scale, STEPS - (y - top_) / scale]);
  const exact = readCorners(cornersText(onMap)); // what everybody with the address selects
  if (exact) select(exact);
  viewChanged();
}

function select(corners, focus = false) {
  selection = corners;
  const found = within(corners);
  marked = found.length ? found : null;
  list(found, `${worksText(found.length)} selected`, focus);
  requestDraw();
}

function clearSelection() {
  selection = marked = null;
  listed.hidden = true;
  const state = hashState();
  for (const name of ['works', 'work', 'words']) state.delete(name);
  history.replaceState(null, '', '#' + state);
  viewChanged();
}

function selectView(focus = true) {
  const right = canvas.clientWidth, bottom = canvas.clientHeight;
  selectOnScreen([[0, 0], [right, 0], [right, bottom], [0, bottom]]);
  if (focus) listed.querySelector('h2').focus();
}

function zoomToPolygon(corners) {
  const [low, high] = [Math.min, Math.max].map((most) => [0, 1].map((axis) => most(...corners.map((corner) => corner[axis]))));
  zoomTo((low[0] + high[0]) / 2, STEPS - (low[1] + high[1]) / 2, 1.5 * Math.max(high[0] - low[0], high[1] - low[1], 400));
}

function within(polygon) {
  const found = [];
  for (const i of order) {
    if (!isShown(i)) continue;
    const x = xs[i], y = ys[i];
    let inside = false;
    for (let a = 0, b = polygon.length - 1; a < polygon.length; b = a++) {
      const [ax, ay] = polygon[a], [bx, by_] = polygon[b];
      if (ay > y !== by_ > y && x < (bx - ax) * (y - ay) / (by_ - ay) + ax) inside = !inside;
    }
    if (inside) found.push(i);
  }
  return found;
}

function mark(found, title) {
  marked = found.length ? found : null;
  selection = null;
  list(found, title);
  requestDraw();
}

function list(found, title, focus = false) {
  const items = found.slice(0, LISTED).map((i) => {
    const item = document.createElement('li'), image = new Image(), link = document.createElement('a'), who = document.createElement('span');
    image.loading = 'lazy';
    image.alt = '';
    image.src = imageLink(i);
    link.href = workLink(i);
    link.textContent = works.titles[i] || 'Untitled';
    who.className = 'small';
    who.textContent = ' ' + works.artists[works.artist[i]];
    const text = document.createElement('span');
    text.append(link, who);
    item.append(image, text);
    return item;
  });
  const more = found.length > LISTED ? `, first ${LISTED} listed` : '';
  const heading = listed.querySelector('h2'), links = listed.querySelector('.selection-links');
  heading.textContent = title + more;
  listed.querySelector('ol').replaceChildren(...items);
  links.hidden = !selection || !root.dataset.selection || !found.length;
  if (!links.hidden) {
    const query = new URLSearchParams([['corners', cornersText(selection)], ...filterFields()]);
    for (const link of links.querySelectorAll('a')) link.href = `${root.dataset.selection}${link.dataset.to}?${query}`;
  }
  listed.hidden = false;
  heading.scrollIntoView({ block: 'nearest' }); // on a phone the list is below the map
  if (focus) heading.focus();
}

function find(words) {
  const parts = folded(words).split(/\s+/).filter(Boolean);
  if (!parts.length) { clearSelection(); return; }
  const found = [];
  for (let i = 0; i < count; i++) {
    const text = folded(works.titles[i] + '\n' + works.artists[works.artist[i]]);
    if (parts.every((part) => text.includes(part))) found.push(i);
  }
  mark(found, found.length ? `${found.length} found` : 'No work on the map matches');
}

// --- filters --------------------------------------------------------------------------------------------------------

const colours = {}, classNames = {};
for (const legend of root.querySelectorAll('[data-legend]')) {
  const task = legend.dataset.legend;
  colours[task] = new Map();
  classNames[task] = new Map();
  for (const button of legend.querySelectorAll('button')) {
    const code = Number(button.dataset.code);
    colours[task].set(code, button.dataset.colour);
    classNames[task].set(code, button.dataset.name);
    button.addEventListener('click', () => {
      chosen[task].has(code) ? chosen[task].delete(code) : chosen[task].add(code);
      filterChanged();
    });
  }
}

const passesYears = (i) => !years || (years.from <= years.low && years.to >= years.high) || (lastYears[i] !== NO_YEAR && firstYears[i] !== NO_YEAR && lastYears[i] >= years.from && firstYears[i] <= years.to);
const passes = (i, task) => !chosen[task].size || chosen[task].has(codes[task][i]);

// Which works pass every filter; and beside each filter, how many works pass all the others.
function updateShown() {
  const counts = Object.fromEntries(TASKS.map((task) => [task, new Map()]));
  const bars = years && { all: new Float64Array(BINS), passing: new Float64Array(BINS) };
  shownCount = 0;
  for (let i = 0; i < count; i++) {
    const failed = TASKS.filter((task) => !passes(i, task));
    const inYears = passesYears(i);
    shown[i] = inYears && !failed.length ? 1 : 0;
    shownCount += shown[i];
    for (const task of TASKS) {
      if (inYears && failed.every((one) => one === task)) counts[task].set(codes[task][i], (counts[task].get(codes[task][i]) ?? 0) + 1);
    }
    if (bars && firstYears[i] !== NO_YEAR && lastYears[i] !== NO_YEAR) {
      const bin = Math.min(BINS - 1, Math.max(0, Math.floor(((firstYears[i] + lastYears[i]) / 2 - years.low) / (years.high - years.low + 1) * BINS)));
      bars.all[bin]++;
      if (!failed.length) bars.passing[bin]++;
    }
  }
  points?.shown(shown);
  for (const legend of root.querySelectorAll('[data-legend]')) {
    const task = legend.dataset.legend;
    for (const button of legend.querySelectorAll('button')) {
      button.setAttribute('aria-pressed', chosen[task].has(Number(button.dataset.code)));
      button.querySelector('.small').textContent = (counts[task].get(Number(button.dataset.code)) ?? 0).toLocaleString('en');
    }
  }
  root.querySelector('.shown').textContent = shownCount < count ? `${shownCount.toLocaleString('en')} of ${worksText(count)} pass the filters.` : `${worksText(count)}.`;
  if (bars) drawTimeline(bars);
}

function filterChanged() {
  updateShown();
  if (selection && works) select(selection);
  viewChanged();
}

function findYears() {
  let low = Infinity, high = -Infinity;
  for (let i = 0; i < count; i++) {
    if (firstYears[i] === NO_YEAR || lastYears[i] === NO_YEAR) continue;
    low = Math.min(low, firstYears[i]);
    high = Math.max(high, lastYears[i]);
  }
  if (!(high > low)) return;
  years = { low, high, from: low, to: high };
  for (const slider of timeline.querySelectorAll('[data-year]')) {
    slider.min = low;
    slider.max = high;
    slider.addEventListener('input', () => {
      const value = Number(slider.value);
      if (slider.dataset.year === 'from') years.from = Math.min(value, years.to); else years.to = Math.max(value, years.from);
      filterChanged();
    });
  }
  timeline.hidden = false;
}

function drawTimeline({ all, passing }) {
  const most = Math.max(1, ...all), picture = timeline.querySelector('svg'), wide = 240 / BINS, parts = [];
  for (let bin = 0; bin < BINS; bin++) {
    const year = years.low + (bin + 0.5) / BINS * (years.high - years.low + 1);
    for (const [kind, bars] of [['whole', all], [year >= years.from && year <= years.to ? 'part' : 'outside', passing]]) {
      if (!bars[bin]) continue;
      const bar = document.createElementNS('http://www.w3.org/2000/svg', 'rect'), tall = Math.max(1, 46 * Math.sqrt(bars[bin] / most));
      for (const [name, value] of Object.entries({ x: bin * wide, y: 48 - tall, width: wide * 0.8, height: tall, class: kind })) bar.setAttribute(name, value);
      parts.push(bar);
    }
  }
  picture.replaceChildren(...parts);
  const [from, to] = timeline.querySelectorAll('[data-year]');
  from.value = years.from;
  to.value = years.to;
  for (const [slider, year] of [[from, years.from], [to, years.to]]) slider.setAttribute('aria-valuetext', yearText(year));
  timeline.querySelector('output').textContent = `${yearText(years.from)} to ${yearText(years.to)}`;
}

function colourBy(task) {
  by = task;
  for (const legend of root.querySelectorAll('[data-legend]')) {
    legend.classList.toggle('coloured', legend.dataset.legend === task);
    if (legend.dataset.legend === task) legend.open = true;
  }
  for (const radio of root.querySelectorAll('[name=by]')) radio.checked = radio.value === task;
  if (!points) return;
  points.colours(codes[by] ?? new Uint8Array(count).fill(255), Array.from({ length: 256 }, (_, code) => colours[by]?.get(code) ?? NO_CLASS));
}

// --- pointer, wheel, keyboard, buttons ------------------------------------------------------------------------------

function nearest(x, y, reach = 14) {
  for (let n = pictured.length - 1; n >= 0; n--) {
    const [i, px, py, w, h] = pictured[n];
    if (x >= px && x <= px + w && y >= py && y <= py + h) return i;
  }
  let best = -1, least = reach * reach;
  for (let i = 0; i < count; i++) {
    const dx = screenX(i) - x, dy = screenY(i) - y, square = dx * dx + dy * dy;
    if (square < least && isShown(i)) { least = square; best = i; }
  }
  return best;
}

function point(i, isPinned = false) {
  pointed = i;
  canvas.style.cursor = i < 0 ? '' : 'pointer';
  if (i < 0 || !works) { tooltip.hidden = true; return; }
  tooltip.href = workLink(i);
  tooltip.querySelector('img').src = imageLink(i);
  tooltip.querySelector('.title').textContent = works.titles[i] || 'Untitled';
  tooltip.querySelector('.by').textContent = works.artists[works.artist[i]];
  tooltip.classList.toggle('pinned', isPinned);
  tooltip.hidden = false;
  const x = screenX(i), y = screenY(i);
  tooltip.style.left = `${Math.max(8, x > canvas.clientWidth - 210 ? x - 196 : x + 18)}px`;
  tooltip.style.top = `${Math.max(8, Math.min(canvas.clientHeight - 230, y - 60))}px`;
}

const touches = new Map();
let dragged = 0, spread = 0;
const at = (event) => [event.offsetX, event.offsetY];
canvas.addEventListener('pointerdown', (event) => {
  canvas.setPointerCapture(event.pointerId);
  touches.set(event.pointerId, at(event));
  dragged = 0;
  spread = 0;
  if (touches.size === 1 && (lassoing || event.shiftKey)) { lasso = [at(event)]; point(-1); }
  if (touches.size > 1) lasso = null;
});
canvas.addEventListener('pointermove', (event) => {
  const [x, y] = at(event);
  if (!touches.has(event.pointerId)) { if (event.pointerType === 'mouse') point(nearest(x, y)); return; }
  const [oldX, oldY] = touches.get(event.pointerId);
  touches.set(event.pointerId, [x, y]);
  dragged += Math.abs(x - oldX) + Math.abs(y - oldY);
  if (touches.size === 2) {
    const [[ax, ay], [bx, by_]] = [...touches.values()];
    const now = Math.hypot(ax - bx, ay - by_);
    if (spread) zoomAt((ax + bx) / 2, (ay + by_) / 2, now / spread);
    spread = now;
    left += (x - oldX) / 2;
    top_ += (y - oldY) / 2;
  } else if (lasso) {
    lasso.push([x, y]);
    requestDraw();
  } else if (dragged > 4) {
    left += x - oldX;
    top_ += y - oldY;
    point(-1);
    viewChanged();
  }
});
function release(event) {
  if (!touches.delete(event.pointerId)) return;
  spread = 0;
  if (lasso) {
    const polygon = lasso;
    lasso = null;
    setLasso(false);
    if (works && polygon.length > 2) selectOnScreen(polygon);
    requestDraw();
  } else if (dragged <= 4 && event.type === 'pointerup') {
    // What the card shows is what opens, even where a picture has arrived below the pointer since.
    const i = event.pointerType === 'mouse' && pointed >= 0 ? pointed : nearest(...at(event), event.pointerType === 'mouse' ? 14 : 24);
    if (i >= 0 && works && event.pointerType === 'mouse') location.assign(workLink(i));
    else point(i, true);
  }
}
canvas.addEventListener('pointerup', release);
canvas.addEventListener('pointercancel', release);
canvas.addEventListener('pointerleave', (event) => { if (event.pointerType === 'mouse' && !touches.size) point(-1); });
canvas.addEventListener('wheel', (event) => {
  event.preventDefault();
  zoomAt(event.offsetX, event.offsetY, Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0018)));
}, { passive: false });
canvas.addEventListener('keydown', (event) => {
  const step = 80, [x, y] = [canvas.clientWidth / 2, canvas.clientHeight / 2];
  const keys = {
    ArrowLeft: () => { left += step; }, ArrowRight: () => { left -= step; },
    ArrowUp: () => { top_ += step; }, ArrowDown: () => { top_ -= step; },
    '+': () => zoomAt(x, y, 1.4), '=': () => zoomAt(x, y, 1.4), '-': () => zoomAt(x, y, 1 / 1.4),
    0: fit, Enter: () => { if (works) selectView(); }, Escape: clearSelection,
  };
  if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  keys[event.key]();
  viewChanged();
});

function setLasso(on) {
  lassoing = on;
  view.classList.toggle('lassoing', on);
  root.querySelector('[data-do=lasso]').setAttribute('aria-pressed', on);
}

function showAll() {
  fit();
  for (const task of TASKS) chosen[task] = new Set();
  if (years) { years.from = years.low; years.to = years.high; }
  updateShown();
  clearSelection();
  history.replaceState(null, '', location.pathname + location.search);
}

const actions = {
  in: () => zoomAt(canvas.clientWidth / 2, canvas.clientHeight / 2, 1.6),
  out: () => zoomAt(canvas.clientWidth / 2, canvas.clientHeight / 2, 1 / 1.6),
  all: showAll,
  lasso: () => setLasso(!lassoing),
  view: () => { if (works) selectView(); },
  clear: () => { clearSelection(); canvas.focus(); },
  pictures: () => {
    hasPictures = !hasPictures;
    root.querySelector('[data-do=pictures]').setAttribute('aria-pressed', hasPictures);
    requestDraw();
  },
};
for (const button of root.querySelectorAll('[data-do]')) button.addEventListener('click', () => actions[button.dataset.do]());
for (const radio of root.querySelectorAll('[name=by]')) {
  radio.addEventListener('change', () => { colourBy(radio.value); viewChanged(); });
}
for (const { item, x, y, width } of regions) {
  item.querySelector('a').addEventListener('click', (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return; // a new tab shows its page
    event.preventDefault();
    const corners = readCorners(new URLSearchParams(event.currentTarget.href.split('?')[1] ?? '').get('corners') ?? '');
    zoomTo(x, y, width);
    if (corners && works) select(corners);
  });
}
root.querySelector('[data-find]').addEventListener('submit', (event) => {
  event.preventDefault();
  const words = root.querySelector('#map-words').value;
  if (works) find(words);
  const state = hashState();
  for (const name of ['works', 'work', 'corners']) state.delete(name);
  words ? state.set('words', words) : state.delete('words');
  history.replaceState(null, '', '#' + state);
});
dark.addEventListener('change', requestDraw);
new ResizeObserver(size).observe(canvas);
size();
load().catch((error) => { root.querySelector('.loading').textContent = error.message; });
