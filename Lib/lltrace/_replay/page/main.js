// The page: opens the recording, and shows one step of it at a time.
//
//     recording.js    the recording: what was where at a step
//     moves.js        from a step to another
//     words.js        a step in plain words
//     values.js       values, and other elements
//     source.js, bytecode.js, stack.js, variables.js, calls.js, printed.js, flame.js    the panels

import {Bytecode} from './bytecode.js';
import {Calls, MOST_FRAMES} from './calls.js';
import {Flame} from './flame.js';
import {MOVES, toCause, toChange, toInstruction, toLine} from './moves.js';
import {Printed} from './printed.js';
import {decode} from './recording.js';
import {Source} from './source.js';
import {Stack} from './stack.js';
import {element, sentence} from './values.js';
import {Variables} from './variables.js';
import {explain, reason} from './words.js';

const byId = id => document.getElementById(id);
const SPEEDS = [[1, '1 step a second'], [3, '3 steps a second'], [10, '10 steps a second'], [50, '50 steps a second'],
                [1000, 'fastest']];

// A line with only `else:` or `finally:` has no instructions; the first line after it has.
function firstIn(lines, line) {
    if (/^\s*(else|finally)\s*:\s*(#.*)?$/.test(lines[line - 1])) {
        do {
            line++;
        } while (/^\s*(#.*)?$/.test(lines[line - 1]));
    }
    return line;
}

class Page {
    constructor(recording) {
        this.recording = recording;
        this.step = -1;
        this.timer = null;
        const go = (step, since) => this.go(step, since);
        this.source = new Source(byId('source'), byId('file'), recording, (file, line) => this.try(
            toLine(recording, this.step, file, firstIn(recording.files[file].lines, line)),
            'This line is never the start of a step in the recording.'));
        this.bytecode = new Bytecode(byId('bytecode'), byId('function'), recording, (code, index) => this.try(
            toInstruction(recording, this.step, code, index), 'This instruction never runs in the recording.'));
        this.stack = new Stack(byId('stack'), recording);
        this.variables = new Variables(
            byId('variables'), recording, (place, direction) => this.change(place, direction));
        this.calls = new Calls(byId('calls'), recording, go);
        this.printed = new Printed(byId('printed'), recording);
        this.flame = new Flame(byId('flame'), recording, go);
        this.moves();
        this.keys();
        const scrubber = byId('scrubber');
        scrubber.max = recording.length;
        scrubber.addEventListener('input', () => go(Number(scrubber.value) - 1));
        if (recording.head.limit) {
            byId('missing').hidden = false;
            const limit = recording.head.limit.toLocaleString('en');
            byId('missing').textContent = `The recording ends at the limit of ${limit} steps. `
                + 'The program went on: what it did and printed afterwards is missing here.';
        }
        if (recording.head.lost) {
            byId('missing').hidden = false;
            byId('missing').textContent = `The recording ended before the program: ${recording.head.lost}.`;
        }
        addEventListener('hashchange', () => this.go(this.wanted()));
        this.go(this.wanted());
    }

    wanted() {
        const [, step] = location.hash.match(/^#step=(\d+)$/) || [];
        return Math.min(Math.max(Number(step || 1) - 1, 0), this.recording.length - 1);
    }

    say(text) {
        byId('said').textContent = text;
    }

    try(step, otherwise, since = step - 1) {
        if (step < 0) {
            this.say(otherwise);
            this.pause();
        } else {
            this.go(step, since);
        }
    }

    move(name, direction) {
        const step = MOVES[name](this.recording, this.step, direction);
        // What a line has changed is of interest, what a whole call has changed is too much.
        this.try(step, `There is no ${direction < 0 ? 'previous' : 'next'} ${name}.`,
            name === 'line' && direction > 0 ? this.step : step - 1);
    }

    change(place, direction) {
        this.variables.chosen = place;
        this.try(toChange(this.recording, place, this.step, direction),
            `The variable does not change ${direction < 0 ? 'before' : 'after'} this step.`);
    }

    again(direction) {
        if (this.variables.chosen === null) {
            this.say('Choose a variable first, with the buttons next to it.');
        } else {
            this.change(this.variables.chosen, direction);
        }
    }

    // since: the step that variables are compared with, the step before by default.
    go(step, since = step - 1) {
        if (step === this.step) {
            return;
        }
        const recording = this.recording;
        this.step = step;
        this.say('');
        const counts = this.counts(step);
        this.source.show(step);
        this.bytecode.show(step);
        this.stack.show(step, counts);
        this.variables.show(step, since, counts);
        this.calls.show(step, counts);
        this.printed.show(step);
        const label = at => `step ${(at + 1).toLocaleString('en')} (line ${recording.nearLine(at) ?? '–'})`;
        const jump = at => this.go(at);
        byId('words').replaceChildren(...explain(recording, step).map(
            parts => element('p', {}, ...sentence(parts, jump, label), '.')));
        const why = reason(recording, step);
        byId('reason').replaceChildren(...(why ? [...sentence(why, jump, label), '.'] : step ? [] : [
            'The run starts here. → goes to the next instruction, ↓ to the next line. Help explains this page.']));
        const number = at => at.toLocaleString('en');
        byId('counter').textContent = `Step ${number(step + 1)} of ${number(recording.length)}`;
        byId('words').parentElement.classList.toggle('alarm',
            recording.kind(step) > 2 || recording.raiseAt.has(step) || recording.handles(step));
        byId('scrubber').value = step + 1;
        byId('scrubber').setAttribute('aria-valuetext',
            `step ${step + 1}, line ${recording.nearLine(step) ?? 'unknown'}`);
        byId('playhead').style.left = `${(step + .5) / recording.length * 100}%`;
        this.source.settle();
        this.bytecode.settle();
        this.printed.settle();
        this.address();
    }

    // In how many visible places each object is.
    counts(step) {
        const recording = this.recording, counts = new Map();
        const count = value => value && value.object && counts.set(value.object, (counts.get(value.object) || 0) + 1);
        recording.stack(step).forEach(count);
        recording.globals(recording.code(step).module).forEach(({place}) => count(recording.value(place, step)));
        let visit = recording.visit(step);
        for (let i = 0; visit >= 0 && i < MOST_FRAMES; i++) {
            recording.variables(recording.columns.visit_frame[visit]).forEach(
                ({place}) => count(recording.value(place, step)));
            visit = recording.columns.visit_parent[visit];
        }
        return counts;
    }

    // Browsers limit how often the address may change.
    address() {
        clearTimeout(this.pending);
        this.pending = setTimeout(() => history.replaceState(null, '', `#step=${this.step + 1}`), 250);
    }

    moves() {
        const button = (label, name, act) => element(
            'button', {type: 'button', 'aria-label': name, title: name, onclick: act}, label);
        const pair = (name, keys) => element('span', {class: 'pair', role: 'group', 'aria-label': name},
            button('◀', `Previous ${name} (${keys[0]})`, () => this.move(name, -1)), element('span', {}, name),
            button('▶', `Next ${name} (${keys[1]})`, () => this.move(name, 1)));
        this.play = button('▶ Play', 'Play (Space)', () => this.toggle());
        this.play.classList.add('play');
        this.speed = element('select', {'aria-label': 'Speed'}, ...SPEEDS.map(
            ([speed, name], i) => element('option', {value: speed, selected: i === 1}, name)));
        this.speed.addEventListener('change', () => this.timer && this.start());
        byId('moves').append(
            pair('instruction', ['←', '→']), pair('line', ['↑', '↓']), pair('call', ['C', 'c']),
            pair('return', ['R', 'r']), pair('exception', ['E', 'e']),
            button('↩ to its cause', 'Back to the cause of the exception (b)', () => this.cause()),
            this.play, this.speed);
    }

    cause() {
        this.try(toCause(this.recording, this.step), 'No earlier exception led here.');
    }

    keys() {
        const keys = {
            ArrowRight: () => this.move('instruction', 1), ArrowLeft: () => this.move('instruction', -1),
            ArrowDown: () => this.move('line', 1), ArrowUp: () => this.move('line', -1),
            c: () => this.move('call', 1), C: () => this.move('call', -1),
            r: () => this.move('return', 1), R: () => this.move('return', -1),
            e: () => this.move('exception', 1), E: () => this.move('exception', -1),
            b: () => this.cause(), v: () => this.again(1), V: () => this.again(-1), ' ': () => this.toggle(),
            Home: () => this.go(0), End: () => this.go(this.recording.length - 1),
            '?': () => byId('help-button').click(),
        };
        document.addEventListener('keydown', event => {
            if (event.ctrlKey || event.metaKey || event.altKey) {
                return;
            }
            const row = event.target.closest('[role=button]');
            if (row && (event.key === 'Enter' || event.key === ' ')) {
                event.preventDefault();
                row.click();
            } else if (row && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
                event.preventDefault();
                this.nextRow(row, event.key === 'ArrowDown' ? 'nextElementSibling' : 'previousElementSibling');
            } else if (event.key in keys && !event.target.closest('select, input')
                       && !(event.key === ' ' && event.target.closest('button, a'))) {
                event.preventDefault();
                keys[event.key]();
            }
        });
    }

    nextRow(row, towards) {
        for (let other = row[towards]; other; other = other[towards]) {
            if (other.matches('[role=button]')) {
                other.focus();
                return;
            }
        }
    }

    toggle() {
        if (this.timer) {
            this.pause();
        } else {
            this.start();
        }
    }

    start() {
        clearInterval(this.timer);
        const speed = Number(this.speed.value);
        this.timer = setInterval(() => {
            const step = this.step + Math.max(1, Math.round(speed / 60));
            if (step >= this.recording.length) {
                this.go(this.recording.length - 1);
                this.pause();
            } else {
                this.go(step);
            }
        }, Math.max(1000 / speed, 16));
        this.play.textContent = '❚❚ Pause';
        this.play.setAttribute('aria-label', 'Pause (Space)');
    }

    pause() {
        clearInterval(this.timer);
        this.timer = null;
        this.play.textContent = '▶ Play';
        this.play.setAttribute('aria-label', 'Play (Space)');
    }
}

// The page of a program that did not run: its source and the error, if it could not be compiled.
function showFailure(recording) {
    const {failed} = recording.head, words = byId('words');
    document.body.classList.add('not-run');
    if (failed) {
        words.parentElement.classList.add('alarm');
        words.append(element('p', {}, 'The program did not run: ', ...sentence([{value: {text: failed.text}}]), '.'));
        byId('reason').append(`Python noticed this in line ${failed.line}. The mistake is there or before it.`);
        const source = new Source(byId('source'), byId('file'), recording, () => {});
        source.mark(failed.file, failed);
        source.settle();
    } else {
        words.append('No selected code was executed.');
        byId('source').append(element('p', {class: 'note'}, 'Choose other code with --only or --include.'));
    }
    new Printed(byId('printed'), recording).show(0);
}

byId('help-button').addEventListener('click', event => {
    const help = byId('help');
    help.hidden = !help.hidden;
    event.target.setAttribute('aria-expanded', !help.hidden);
});
const recorded = await decode(byId('recording'));
if (recorded.length) {
    document.body.page = new Page(recorded);
    performance.mark('ready');
} else {
    showFailure(recorded);
}
