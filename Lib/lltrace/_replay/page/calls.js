// The call stack, suspended generators and coroutines, and other threads.

import {element, valueElement} from './values.js';
import {lastAtMost} from './recording.js';

export class Calls {
    constructor(box, recording, go) {
        Object.assign(this, {box, recording, go});
    }

    show(step, counts) {
        const recording = this.recording;
        const parts = [element('ol', {class: 'frames'}, ...this.frames(step, step, counts))];
        const suspended = this.suspended(step);
        if (suspended.length) {
            parts.push(element('h3', {}, 'Suspended'), element('ul', {class: 'frames'}, ...suspended.slice(0, 12).map(
                last => this.frame(last, step, counts, false))));
            if (suspended.length > 12) {
                parts.push(element('p', {class: 'note'}, `and ${suspended.length - 12} more`));
            }
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
        for (let visit = recording.visit(now); visit >= 0 && found.length < 100; visit = parents[visit]) {
            found.push(this.frame(at, step, counts, at === step));
            at = recording.caller[visit];
            if (at < 0) {
                break;
            }
        }
        return found;
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

    // The last step of each generator or coroutine that has started, is not running, and can go on.
    suspended(step) {
        const recording = this.recording, found = [];
        for (const [frame, visits] of recording.frameVisits) {
            const i = lastAtMost(recording.frameFirsts.get(frame), step);
            if (i < 0) {
                continue;
            }
            const last = recording.last[visits[i]];
            if (last < step && recording.kind(last) === 2) {
                found.push(last);
            }
        }
        return found.sort((one, two) => two - one);
    }
}
