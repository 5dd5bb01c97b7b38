// Upload by choosing, dropping or pasting; suggestions; the verdict. Every form works without this file.
'use strict';
document.documentElement.classList.add('has-script');

const ROOT = document.documentElement.dataset.root; // the path below which the site is reached
const PREVIEW = 'artpipe-preview:';
const here = () => location.pathname + location.search;
let shown = here(); // the address whose results the page has

// A small copy for the results page, kept in this tab only: the server does not store the picture.
async function thumbnail(file) {
  const image = await createImageBitmap(file);
  const scale = Math.min(1, 960 / Math.max(image.width, image.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(image.width * scale));
  canvas.height = Math.max(1, Math.round(image.height * scale));
  canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL('image/jpeg', 0.85);
}

// A JSON response; its error message, as a sentence, where there is one.
async function fetchJson(address, options, failure, retry) {
  const response = await fetch(address, { ...options, headers: { Accept: 'application/json' } }).catch(() => {
    throw new Error('The server does not answer; ' + retry);
  });
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  if (response.status === 429) throw new Error('Too many requests came from your connection; ' + retry);
  const message = body.detail || `${failure}; ${retry}`;
  throw new Error(message.charAt(0).toUpperCase() + message.slice(1));
}

async function upload(form, file, query = '') {
  const working = form.querySelector('.working');
  const problem = form.querySelector('.problem');
  problem.hidden = true;
  working.hidden = false;
  try {
    const preview = await thumbnail(file).catch(() => null);
    const body = new FormData();
    body.append('picture', file);
    const found = await fetchJson(ROOT + '/search' + query, { method: 'POST', body }, 'The search failed', 'try again.');
    if (preview) savePreview(found.token, preview);
    location.assign(found.address);
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
    working.hidden = true;
  }
}

function enhanceUpload(form) {
  const input = form.querySelector('input[type=file]');
  input.addEventListener('change', () => { if (input.files.length) upload(form, input.files[0]); });
  for (const kind of ['dragenter', 'dragover']) {
    form.addEventListener(kind, (event) => { event.preventDefault(); form.classList.add('over'); });
  }
  form.addEventListener('dragleave', () => form.classList.remove('over'));
  form.addEventListener('drop', (event) => {
    event.preventDefault();
    form.classList.remove('over');
    if (event.dataTransfer.files.length) upload(form, event.dataTransfer.files[0]);
  });
}

document.addEventListener('paste', (event) => {
  const form = document.querySelector('[data-upload]');
  const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith('image/'));
  if (form && file) upload(form, file);
});
window.addEventListener('pageshow', () => {
  // A browser that comes back shows the page as it was left.
  for (const working of document.querySelectorAll('.working')) working.hidden = true;
});

// Storage may be full, then earlier previews go, or forbidden, then there is none.
function savePreview(token, preview) {
  try {
    sessionStorage.setItem(PREVIEW + token, preview);
  } catch {
    try {
      for (const name of Object.keys(sessionStorage)) if (name.startsWith(PREVIEW)) sessionStorage.removeItem(name);
      sessionStorage.setItem(PREVIEW + token, preview);
    } catch { /* no preview */ }
  }
}

function savedPreview(token) {
  try { return sessionStorage.getItem(PREVIEW + token); } catch { return null; }
}

function showPreview(image) {
  // The page has another token than its address where the verdict was there first.
  replaceToken(new URLSearchParams(location.search).get('image'), image.dataset.preview);
  const preview = savedPreview(image.dataset.preview);
  if (preview) { image.src = preview; image.hidden = false; }
}

// The verdict on an uploaded picture comes after its results, with a token that contains it.

async function showVerdict(area) {
  const token = area.dataset.comparing;
  try {
    const address = ROOT + '/search/verdict?' + new URLSearchParams({ image: token });
    const verdict = await fetchJson(address, {}, 'The comparison failed', 'reload the page.');
    area.innerHTML = verdict.html;
    replaceToken(token, verdict.token);
    if (verdict.is_other_view) location.reload(); // the results are of what is around the painting
    else document.dispatchEvent(new Event('artpipe-verdict'));
  } catch (error) {
    const place = area.querySelector('.comparing');
    if (place) place.textContent = error.message;
  }
}

// Puts another token for the same picture into the address, links, forms and the saved preview.
function replaceToken(previous, token) {
  if (!previous || !token || previous === token) return;
  const preview = savedPreview(previous);
  if (preview) savePreview(token, preview);
  for (const link of document.querySelectorAll('a[href*="image="]')) link.href = link.href.replaceAll(previous, token);
  for (const field of document.querySelectorAll('input[name=image]')) if (field.value === previous) field.value = token;
  for (const image of document.querySelectorAll('[data-preview]')) image.dataset.preview = token;
  history.replaceState(history.state, '', location.href.replaceAll(previous, token));
  shown = here();
}

// Filters apply at once: the parts of the page that depend on them are replaced, and the address with them.
function enhanceFilters(form) {
  form.addEventListener('submit', (event) => { event.preventDefault(); applyFilters(form); });
  form.addEventListener('change', (event) => {
    if (event.target.name && form.reportValidity()) applyFilters(form);
  });
}

function applyFilters(form) {
  const set = [...new FormData(form)].filter(([, value]) => value.trim());
  const query = new URLSearchParams(set).toString();
  show(form.action + (query ? '?' + query : ''), true);
}

const REPLACED = ['.hits', '.query', '.sidebar'];
let showing = 0;

async function show(address, isNew) {
  const turn = ++showing;
  document.querySelector('.results').setAttribute('aria-busy', 'true');
  const answer = await fetch(address).catch(() => null);
  if (turn !== showing) return; // another filter was set meanwhile
  if (!answer?.ok) { location.assign(address); return; }
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  if (turn !== showing) return;
  if (isNew) history.pushState(null, '', address);
  shown = here();
  document.title = page.title;
  const focused = document.activeElement?.id;
  const typed = document.activeElement?.matches('input:not([type=checkbox], [type=range])') ? document.activeElement.value : null;
  const opened = new Map([...document.querySelectorAll('.facet')].map((one) => [one.id, one.open]));
  for (const part of REPLACED) {
    const before = document.querySelector(part);
    const after = page.querySelector(part);
    if (!before || !after) continue;
    before.replaceWith(after);
    enhance(after);
  }
  for (const [id, isOpen] of opened) {
    const facet = document.getElementById(id);
    if (facet) facet.open ||= isOpen;
  }
  const again = focused && document.getElementById(focused);
  if (again) {
    if (typed !== null) again.value = typed; // what is being typed is not in the answer yet
    again.focus({ preventScroll: true });
  }
  document.querySelector('[data-announce]').textContent = document.querySelector('.count').textContent;
  document.querySelector('.results').removeAttribute('aria-busy');
}

addEventListener('popstate', () => { if (here() !== shown) show(location.href, false); });

// The two ends of the years, as sliders over the chart; the fields stay for those who know the year.
function enhanceYears(chart) {
  const step = Number(chart.dataset.years);
  let timer = 0;
  const sliders = [...chart.querySelectorAll('input')];
  const [from, to] = sliders;
  const field = (slider) => document.getElementById(slider.dataset.end);
  const text = (year) => (year < 0 ? `${-year} BC` : String(year));
  const update = (moved) => {
    if (Number(from.value) > Number(to.value) - step) {
      moved.value = moved === from ? Number(to.value) - step : Number(from.value) + step;
    }
    for (const slider of sliders) {
      const year = Number(slider.value) - (slider === to ? 1 : 0);
      const isOpen = slider === from ? slider.value === slider.min : slider.value === slider.max;
      slider.setAttribute('aria-valuetext', text(year));
      if (slider === moved) field(slider).value = isOpen ? '' : text(year);
    }
    for (const bar of chart.querySelectorAll('rect')) {
      const first = Number(bar.dataset.from);
      bar.classList.toggle('inside', first >= Number(from.value) && first < Number(to.value));
    }
  };
  for (const slider of sliders) {
    slider.setAttribute('aria-valuetext', text(Number(slider.value) - (slider === to ? 1 : 0)));
    slider.addEventListener('input', () => update(slider));
    slider.addEventListener('change', () => {
      update(slider);
      clearTimeout(timer);
      // A held key changes it many times; where an answer came meanwhile, there is another form.
      timer = setTimeout((form) => { if (form.isConnected) applyFilters(form); }, 200, slider.form);
    });
  }
}

// Suggestions while typing: of the kind that the field names, else of every kind.
function enhanceSuggestions(box) {
  let timer = 0;
  box.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      if (box.value.trim().length < 2) return;
      const response = await fetch(ROOT + '/api/suggest?' + new URLSearchParams({ beginning: box.value })).catch(() => null);
      if (!response?.ok) return;
      const kind = box.dataset.suggest;
      const suggestions = (await response.json()).filter((one) => !kind || one.kind === kind);
      box.list.replaceChildren(...suggestions.map((one) => {
        const option = document.createElement('option');
        option.value = one.text;
        const label = `${one.text} (${one.kind}, ${one.works})`;
        // Browsers hide an option that lacks what was typed: "Titian" suggests TIZIANO Vecellio.
        option.label = label.toLowerCase().includes(box.value.toLowerCase()) ? label : `${box.value}: ${label}`;
        return option;
      }));
    }, 150);
  });
}

// Also parts that came later.
function enhance(root) {
  const each = (selector, act) => { for (const one of root.querySelectorAll(selector)) act(one); };
  each('[data-upload]', enhanceUpload);
  each('[data-preview]', showPreview);
  each('[data-photograph]', (one) => enhancePhotograph(one)); // of photograph.js
  each('[data-filters]', enhanceFilters);
  each('[data-years]', enhanceYears);
  each('[data-suggest]', enhanceSuggestions);
}
enhance(document);
for (const area of document.querySelectorAll('[data-comparing]')) showVerdict(area);
