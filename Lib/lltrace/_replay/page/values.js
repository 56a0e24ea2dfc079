// Values as elements.  A long one is shortened, and opens on a click.  An object that is in several places has a tag.

const LONGEST = 56;
const opened = new Set();                               // texts that the reader has opened

export function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
        if (key.startsWith('on')) {
            made.addEventListener(key.slice(2), value);
        } else if (value !== null && value !== undefined && value !== false) {
            made.setAttribute(key, value === true ? '' : value);
        }
    }
    made.append(...children.filter(child => child !== null));
    return made;
}

function short(text) {
    return text.length <= LONGEST ? text : `${text.slice(0, LONGEST - 20)} … ${text.slice(-14)}`;
}

function kindOf(text) {
    return /^['"b]/.test(text) ? 'text' : /^-?\d/.test(text) ? 'number' : /^(True|False|None)$/.test(text) ? 'name'
        : text === '<NULL>' ? 'empty' : 'object';
}

// counts: {number of an object: in how many places it is}, or null to omit the tag.
export function valueElement(value, counts = null) {
    if (!value) {
        return element('span', {class: 'value empty'}, '?');
    }
    const text = value.text === '<NULL>' ? '(empty)' : value.text;
    const long = text.length > LONGEST;
    const title = long ? 'Open or close' : value.text === '<NULL>' ? 'An empty slot, which a call needs' : null;
    const shown = element(long ? 'button' : 'span', {class: `value ${kindOf(value.text)}`, title},
        long && !opened.has(text) ? short(text) : text);
    if (long) {
        shown.setAttribute('aria-expanded', opened.has(text));
        shown.type = 'button';
        shown.addEventListener('click', () => {
            const open = !opened.has(text);
            opened[open ? 'add' : 'delete'](text);
            shown.textContent = open ? text : short(text);
            shown.setAttribute('aria-expanded', open);
        });
    }
    if (!counts || !value.object || (counts.get(value.object) || 0) < 2) {
        return shown;
    }
    const tag = element('span', {class: 'tag', 'data-object': value.object,
                                 title: 'The same object is in every place with this number'}, `#${value.object}`);
    tag.style.setProperty('--hue', value.object * 137 % 360);
    const box = element('span', {class: 'tagged'}, shown, tag);
    const mark = on => document.querySelectorAll(`[data-object="${value.object}"]`).forEach(
        other => other.classList.toggle('same', on));
    box.addEventListener('mouseenter', () => mark(true));
    box.addEventListener('mouseleave', () => mark(false));
    return box;
}

// An element for each part of a sentence of words.js.
export function sentence(parts, go, label) {
    return parts.map(part => typeof part === 'string' ? part
        : 'code' in part ? element('code', {}, part.code)
            : 'step' in part ? element('a', {href: `#step=${part.step + 1}`, onclick: event => {
                event.preventDefault();
                go(part.step);
            }}, label(part.step))
                : valueElement(part.value));
}
