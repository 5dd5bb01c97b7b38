// Makes choosing a picture easier; every form works without this file.
'use strict';
document.documentElement.classList.add('scripted');

const KEEP = 'artpipe-preview:';

// A small copy for the results page, kept in this tab alone: the server forgets the picture.
async function smallCopy(file) {
  const image = await createImageBitmap(file);
  const scale = Math.min(1, 480 / Math.max(image.width, image.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(image.width * scale));
  canvas.height = Math.max(1, Math.round(image.height * scale));
  canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL('image/jpeg', 0.85);
}

async function send(form, file) {
  const working = form.querySelector('.working');
  const problem = form.querySelector('.problem');
  problem.hidden = true;
  working.hidden = false;
  try {
    const copy = await smallCopy(file).catch(() => null);
    const body = new FormData();
    body.append('picture', file);
    const answer = await fetch('/search', { method: 'POST', body, headers: { Accept: 'application/json' } });
    const told = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(told.detail || 'The server failed to look at the picture; try again.');
    if (copy) {
      try { sessionStorage.setItem(KEEP + told.token, copy); } catch { /* a full storage only loses the preview */ }
    }
    location.assign(told.address);
  } catch (error) {
    const told = error.message === 'Failed to fetch' ? 'The server does not answer; try again.' : error.message;
    problem.textContent = told.charAt(0).toUpperCase() + told.slice(1);
    problem.hidden = false;
    working.hidden = true;
  }
}

for (const form of document.querySelectorAll('[data-upload]')) {
  const input = form.querySelector('input[type=file]');
  input.addEventListener('change', () => { if (input.files.length) send(form, input.files[0]); });
  for (const kind of ['dragenter', 'dragover']) {
    form.addEventListener(kind, (event) => { event.preventDefault(); form.classList.add('over'); });
  }
  form.addEventListener('dragleave', () => form.classList.remove('over'));
  form.addEventListener('drop', (event) => {
    event.preventDefault();
    form.classList.remove('over');
    if (event.dataTransfer.files.length) send(form, event.dataTransfer.files[0]);
  });
}

document.addEventListener('paste', (event) => {
  const form = document.querySelector('[data-upload]');
  const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith('image/'));
  if (form && file) send(form, file);
});
window.addEventListener('pageshow', () => {
  // Back from the results: the page is as it was left.
  for (const working of document.querySelectorAll('.working')) working.hidden = true;
  for (const field of document.querySelectorAll('[data-filters] :disabled')) field.disabled = false;
});

for (const image of document.querySelectorAll('[data-preview]')) {
  takeToken(new URLSearchParams(location.search).get('image'), image.dataset.preview); // the verdict may be there already
  const copy = keptCopy(image.dataset.preview);
  if (copy) { image.src = copy; image.hidden = false; }
}

function keptCopy(token) {
  try { return sessionStorage.getItem(KEEP + token); } catch { return null; } // storage may be forbidden
}

// Whether it is a very painting of the collection comes after the results, and with it the address that says so.
for (const told of document.querySelectorAll('[data-comparing]')) tellVerdict(told);

async function tellVerdict(told) {
  const token = told.dataset.comparing;
  const address = '/search/verdict?' + new URLSearchParams({ image: token });
  try {
    const answer = await fetch(address, { headers: { Accept: 'application/json' } });
    const found = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(found.detail || 'The server failed to compare the picture; load the page again.');
    if (found.html) told.innerHTML = found.html; else told.remove();
    takeToken(token, found.token);
  } catch (error) {
    const text = error.message === 'Failed to fetch' ? 'The server does not answer; load the page again.' : error.message;
    const place = told.querySelector('.comparing');
    if (place) place.textContent = text.charAt(0).toUpperCase() + text.slice(1);
  }
}

// The address, links, forms and preview of a picture go on under another token for it.
function takeToken(old, now) {
  if (!old || !now || old === now) return;
  const copy = keptCopy(old);
  if (copy) {
    try { sessionStorage.setItem(KEEP + now, copy); } catch { /* a full storage only loses the preview */ }
  }
  for (const link of document.querySelectorAll('a[href*="image="]')) link.href = link.href.replaceAll(old, now);
  for (const field of document.querySelectorAll('input[name=image]')) if (field.value === old) field.value = now;
  for (const image of document.querySelectorAll('[data-preview]')) image.dataset.preview = now;
  history.replaceState(history.state, '', location.href.replaceAll(old, now));
}

for (const form of document.querySelectorAll('[data-filters]')) {
  form.addEventListener('submit', () => {
    for (const field of form.querySelectorAll('input, select')) field.disabled = !field.value; // a short address
  });
}

// Suggestions while somebody types: artists alone where the field says so, else of every kind.
for (const box of document.querySelectorAll('[data-suggest]')) {
  let timer = 0;
  box.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      if (box.value.trim().length < 2) return;
      const answer = await fetch('/api/suggest?' + new URLSearchParams({ beginning: box.value })).catch(() => null);
      if (!answer?.ok) return;
      const wanted = (await answer.json()).filter((one) => !box.dataset.suggest || one.kind === box.dataset.suggest);
      box.list.replaceChildren(...wanted.map((one) => {
        const option = document.createElement('option');
        option.value = one.text;
        option.label = `${one.text} (${one.kind}, ${one.works})`;
        return option;
      }));
    }, 150);
  });
}
