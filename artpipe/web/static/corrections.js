// Keys for the buttons and links of the queue; everything works without this file, too.
'use strict';
document.documentElement.classList.add('has-script');

const keyed = new Map([...document.querySelectorAll('[data-key]')].map((one) => [one.dataset.key, one]));

document.addEventListener('keydown', (event) => {
  const isTyping = event.target.matches('input, select, textarea');
  if ((event.key === 'Escape' || (event.key === 'Enter' && event.target.id === 'reason')) && isTyping) { event.preventDefault(); event.target.blur(); return; }
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.key === '/') { event.preventDefault(); document.querySelector('#reason')?.focus(); return; }
  const target = keyed.get(event.key);
  if (!target || target.disabled) return;
  event.preventDefault();
  target.click();
});

// A decision is sent once, however often its key is pressed.
for (const form of document.querySelectorAll('form')) {
  form.addEventListener('submit', (event) => {
    if (form.dataset.isSent) event.preventDefault();
    form.dataset.isSent = 'yes';
  });
}
window.addEventListener('pageshow', () => { for (const form of document.querySelectorAll('form')) delete form.dataset.isSent; });
