// Local and global variables, with those that have changed.  Buttons lead to the changes of a variable.

import {element, valueElement} from './values.js';

const NOTES = {outer: 'from an outer function', shared: 'shared with an inner function'};

export class Variables {
    constructor(box, recording, goToChange) {
        Object.assign(this, {box, recording, goToChange});
        this.chosen = null;                             // the place of the chosen variable
        this.made = new Map();                          // place: [what is shown, its row]
    }

    // since: the step to compare with.
    show(step, since, counts) {
        const recording = this.recording, code = recording.code(step), frame = recording.frame(step);
        const groups = [];
        const body = recording.bodyVariables(frame);
        if (code.kind === 'class' || body.length) {
            groups.push([code.kind === 'class' ? 'Names of the class' : `Local variables of ${recording.title(code)}`,
                body]);
        }
        if (code.variables.length) {
            groups.push([`Local variables of ${code.name}`, recording.variables(frame)]);
        }
        groups.push([code.kind === 'module' ? 'Variables of the module' : 'Global variables',
            recording.globals(code.module)]);
        const found = groups.map(([title, variables]) => [title, ...this.rows(variables, step, since, counts)]);
        // Most steps change no variable.
        const flat = found.flat();
        if (this.shown && flat.length === this.shown.length && flat.every((one, i) => one === this.shown[i])) {
            return;
        }
        this.shown = flat;
        this.box.replaceChildren(...found.map(([title, ...rows]) => element(
            'section', {class: 'group'}, element('h3', {}, title),
            rows.length ? element('table', {}, element('tbody', {}, ...rows))
                : element('p', {class: 'note'}, 'None has a value yet.'))));
        if (this.made.size > 2000) {
            this.made.clear();
        }
    }

    // The rows of variables that have a value, or have just lost it.
    rows(variables, step, since, counts) {
        const recording = this.recording;
        const rows = [];
        const isCode = ({place}) => /^<(function|class|module|built-in)/.test((recording.value(place, step)
            || {text: ''}).text);
        // Functions, classes and modules seldom change.
        for (const {name, place, kind} of [...variables.filter(one => !isCode(one)), ...variables.filter(isCode)]) {
            const value = recording.value(place, step);
            const old = since >= 0 ? recording.value(place, since) : null;
            const changed = (value ? value.text : null) !== (old ? old.text : null)
                || value && old && value.reference !== old.reference;
            if (!value && !changed) {
                continue;
            }
            const tagged = value && value.object && counts.get(value.object) > 1 ? value.object : 0;
            const shown = [value && value.text, tagged, changed && (old ? 2 : 1), place === this.chosen].join('\0');
            const [known, row] = this.made.get(place) || [];
            if (known === shown) {
                rows.push(row);
                continue;
            }
            const made = element(
                'tr', {class: `${changed ? 'changed' : ''}${place === this.chosen ? ' chosen' : ''}`,
                    'data-place': place},
                element('th', {scope: 'row', title: NOTES[kind] || null}, element('code', {}, name),
                    NOTES[kind] ? element('span', {class: 'kind'}, ` ${NOTES[kind]}`) : null),
                element('td', {}, value ? valueElement(value, counts) : element('span', {class: 'note'}, 'deleted'),
                    changed ? element('span', {class: 'mark new'}, old ? 'changed' : 'new') : null),
                element('td', {class: 'buttons'}, this.button(name, place, -1), this.button(name, place, 1)));
            this.made.set(place, [shown, made]);
            rows.push(made);
        }
        return rows;
    }

    button(name, place, direction) {
        const label = `${direction < 0 ? 'Previous' : 'Next'} change of ${name}`;
        return element('button', {type: 'button', 'aria-label': label, title: label, onclick: () =>
            this.goToChange(place, direction)}, direction < 0 ? '◂' : '▸');
    }
}
