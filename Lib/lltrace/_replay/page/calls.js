// The call stack, suspended generators and coroutines, and other threads.

import {element, valueElement} from './values.js';
import {lastAtMost} from './recording.js';

export const MOST_FRAMES = 20;                          // of a thread, from the innermost
const MOST_SUSPENDED = 12;

// A note on those that are left out.
function more(count, name = 'p') {
    return count ? [element(name, {class: 'note'}, `and ${count.toLocaleString('en')} more`)] : [];
}

export class Calls {
    constructor(box, recording, go) {
        Object.assign(this, {box, recording, go});
    }

    show(step, counts) {
        const recording = this.recording;
        const parts = [element('ol', {class: 'frames'}, ...this.frames(step, step, counts))];
        const [suspended, count] = recording.suspendedAt(step, MOST_SUSPENDED);
        if (count) {
            parts.push(element('h3', {}, 'Suspended'), element('ul', {class: 'frames'}, ...suspended.map(
                last => this.frame(last, step, counts, false))), ...more(count - suspended.length));
        }
        recording.threadSteps.forEach((steps, thread) => {
            const last = lastAtMost(steps, step);
            if (thread !== recording.thread(step) && last >= 0) {
                const now = steps[last], over = last === steps.length - 1 && recording.kind(now)
                    && !recording.level[recording.visit(now)];
                parts.push(element('h3', {}, `Thread ${recording.head.threads[thread] || thread + 1}`));
                parts.push(over ? element('p', {class: 'note'}, 'has ended')
                    : element('ol', {class: 'frames'}, ...this.frames(now, step, counts)));
            }
        });
        const all = element('div', {}, ...parts);
        // Most steps change nothing here but the line, if at all.
        if (!this.shown || !all.isEqualNode(this.shown)) {
            this.shown = all;
            this.box.replaceChildren(all);
        }
    }

    // The frames of a thread, the innermost first; the thread is at the step `now`.
    frames(now, step, counts) {
        const recording = this.recording, found = [];
        let at = now;
        const parents = recording.columns.visit_parent;
        let visit = recording.visit(now);
        for (; visit >= 0 && at >= 0 && found.length < MOST_FRAMES; visit = parents[visit]) {
            found.push(this.frame(at, step, counts, at === step));
            at = recording.caller[visit];
        }
        return [...found, ...more(visit >= 0 && at >= 0 ? recording.level[visit] + 1 : 0, 'li')];
    }

    frame(at, step, counts, current) {
        const recording = this.recording, code = recording.code(at);
        const title = [element('code', {}, recording.title(code)), ` line ${recording.nearLine(at) ?? '–'}`];
        const link = element('button', {type: 'button', class: 'link', 'data-step': at,
            title: 'Go to the last step there', onclick: () => this.go(at)},
            ...title);
        const variables = code.kind === 'module' ? [] : recording.variables(recording.frame(at)).map(
            one => [one.name, recording.value(one.place, step)]).filter(([, value]) => value);
        return element('li', {class: current ? 'now' : '', 'aria-current': current ? 'true' : null},
            current ? element('span', {}, ...title) : link,
            current ? null : element('span', {class: 'held'}, ...variables.slice(0, 6).flatMap(
                ([name, value]) => [element('code', {}, `${name} = `), valueElement(value, counts), ' '])));
    }
}
