// The recording: decodes it, and answers what was where at a step.  recording.py describes the format.

export async function decode(element) {
    const text = atob(element.textContent);
    let bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) {
        bytes[i] = text.charCodeAt(i);
    }
    if (element.dataset.packed === 'deflate') {
        const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
        bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    }
    const size = new DataView(bytes.buffer).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + size)));
    const columns = {};
    let start = 4 + size;
    for (const [name, length] of head.columns) {
        columns[name] = new Int32Array(bytes.buffer, start, length);
        start += 4 * length;
    }
    return new Recording(head, columns);
}

// The index of the last of the sorted numbers[first..end) that is at most wanted, or first - 1.
export function lastAtMost(numbers, wanted, first = 0, end = numbers.length) {
    while (first < end) {
        const middle = (first + end) >> 1;
        if (numbers[middle] <= wanted) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return first - 1;
}

export class Recording {
    constructor(head, columns) {
        this.head = head;
        this.columns = columns;
        this.length = columns.at.length;
        this.codes = head.codes;
        this.files = head.files;
        for (const code of this.codes) {
            code.index = new Map(code.instructions.map(([offset], i) => [offset, i]));
            code.bottom = 1 + code.variables.length;
            code.executed = new Set();
            code.handlers = new Set(code.instructions.map(one => one[5]));
        }
        this.sortChanges();
        this.followFrames();
        this.findRaises();
    }

    // Places are numbered through: those of each frame, then the objects, then the variables known by name.
    // The changes of each place, in order of steps, are those from history[place] to history[place + 1].
    sortChanges() {
        const {places, references, end, visit, visit_frame: frames, frame_code: codes} = this.columns;
        this.base = new Int32Array(codes.length);
        let total = 0;
        codes.forEach((code, frame) => {
            this.base[frame] = total;
            total += this.codes[code].size;
        });
        this.objects = total;
        this.named = total + this.head.objects + 1;
        total = this.named + this.head.names.length;
        const where = new Int32Array(places.length);
        const history = this.history = new Int32Array(total + 2);
        for (let step = 0, change = 0; step < this.length; step++) {
            const base = this.base[frames[visit[step]]];
            for (; change < end[step]; change++) {
                const place = places[change];
                const found = place < 0 ? this.objects - place
                    : place >= this.head.named ? this.named + place - this.head.named : base + place;
                where[change] = found;
                history[found + 2]++;
            }
        }
        for (let place = 2; place < history.length; place++) {
            history[place] += history[place - 1];
        }
        this.when = new Int32Array(places.length);
        this.what = new Int32Array(places.length);
        for (let step = 0, change = 0; step < this.length; step++) {
            for (; change < end[step]; change++) {
                const at = history[where[change] + 1]++;
                this.when[at] = step;
                this.what[at] = references[change];
            }
        }
    }

    // For each step, its instruction and the steps before and after it in its frame; for each visit, its steps.
    followFrames() {
        const {at, visit, visit_frame: frames, visit_parent: parents, visit_thread: threads,
            frame_code: codes} = this.columns;
        const length = this.length, visits = frames.length;
        this.instruction = new Int32Array(length);      // its index in the code
        this.before = new Int32Array(length).fill(-1);
        this.after = new Int32Array(length).fill(-1);
        this.lineStart = new Uint8Array(length);
        this.first = new Int32Array(visits).fill(-1);
        this.last = new Int32Array(visits).fill(-1);
        this.level = new Int32Array(visits);
        this.caller = new Int32Array(visits).fill(-1);  // the step of the parent that called
        this.threadSteps = this.head.threads.map(() => []);
        const lastOfFrame = new Int32Array(codes.length).fill(-1);
        this.frameVisits = new Map();                   // of generators and coroutines
        for (let v = 0; v < visits; v++) {
            this.level[v] = parents[v] < 0 ? 0 : this.level[parents[v]] + 1;
            if (this.codes[codes[frames[v]]].suspends) {
                const others = this.frameVisits.get(frames[v]);
                if (others) {
                    others.push(v);
                } else {
                    this.frameVisits.set(frames[v], [v]);
                }
            }
        }
        for (let step = 0; step < length; step++) {
            const v = visit[step], frame = frames[v], code = this.codes[codes[frame]];
            const offset = at[step] >> 3 << 1;
            const found = code.index.get(offset);
            this.instruction[step] = found === undefined
                ? lastAtMost(code.instructions.map(one => one[0]), offset) : found;
            code.executed.add(this.instruction[step]);
            const before = lastOfFrame[frame];
            this.before[step] = before;
            if (before >= 0) {
                this.after[before] = step;
            }
            lastOfFrame[frame] = step;
            if (this.first[v] < 0) {
                this.first[v] = step;
                this.caller[v] = parents[v] < 0 ? -1 : lastOfFrame[frames[parents[v]]];
            }
            this.last[v] = step;
            this.threadSteps[threads[v]].push(step);
            const line = this.line(step);
            this.lineStart[step] = line !== null && !(at[step] & 7) && (before < 0 || this.first[v] === step
                || this.line(before) !== line || this.instruction[step] < this.instruction[before]) ? 1 : 0;
        }
        this.frameFirsts = new Map([...this.frameVisits].map(
            ([frame, visits]) => [frame, visits.map(v => this.first[v])]));
    }

    findRaises() {
        const {raise_step: steps, raise_origin: origins} = this.columns;
        this.raiseAt = new Map();                       // step: raise
        steps.forEach((step, raise) => this.raiseAt.set(step, raise));
        this.origins = Int32Array.from(new Set(origins)).map(raise => steps[raise]).sort();
    }

    // Facts of a step

    code(step) {
        return this.codes[this.columns.frame_code[this.frame(step)]];
    }

    title(code) {
        return code.kind !== 'module' ? code.name : code.module === '__main__'
            ? 'main program' : `module ${code.module}`;
    }

    frame(step) {
        return this.columns.visit_frame[this.columns.visit[step]];
    }

    visit(step) {
        return this.columns.visit[step];
    }

    kind(step) {
        return this.columns.at[step] & 7;
    }

    thread(step) {
        return this.columns.visit_thread[this.columns.visit[step]];
    }

    depth(step) {
        return this.columns.depth[step];
    }

    at(step) {                                          // the instruction, as codes.py stores it
        const [offset, name, argument, taken, target, handler, line, column, endLine, endColumn] =
            this.code(step).instructions[this.instruction[step]];
        return {offset, name, argument, taken, target, handler, line, column, endLine, endColumn};
    }

    line(step) {
        return this.code(step).instructions[this.instruction[step]][6];
    }

    // The line of the step, or of the last step before it in its frame that has one.
    nearLine(step) {
        while (step >= 0) {
            const line = this.line(step);
            if (line !== null) {
                return line;
            }
            step = this.before[step];
        }
        return null;
    }

    source(step) {                                      // what the instruction was compiled from, if it is short
        const {line, column, endLine, endColumn} = this.at(step);
        const text = line === null ? undefined : this.files[this.code(step).file].lines[line - 1];
        return text === undefined || line !== endLine || column === null || endColumn - column > 60 ? ''
            : text.slice(column, endColumn);
    }

    // Whether an exception led to this step, which starts a handler.
    handles(step) {
        return this.kind(step) === 0 && this.code(step).handlers.has(this.at(step).offset);
    }

    // What places hold

    // The change of a place in force at a step, or -1.
    changeOf(place, step) {
        const first = this.history[place], found = lastAtMost(this.when, step, first, this.history[place + 1]);
        return found < first ? -1 : found;
    }

    reference(place, step) {
        const change = this.changeOf(place, step);
        return change < 0 ? 0 : this.what[change];
    }

    text(reference, step) {
        if (reference < 0) {
            // An object that a call creates is first seen at a later step.
            const place = this.objects - reference, change = this.changeOf(place, step);
            reference = this.what[change < 0 ? this.history[place] : change];
        }
        return reference > 0 ? this.head.texts[reference - 1] : '';
    }

    value(place, step) {
        const reference = this.reference(place, step);
        return reference === 0 ? null : {reference, object: reference < 0 ? -reference : 0,
            text: this.text(reference, step)};
    }

    stack(step) {
        const bottom = this.base[this.frame(step)] + this.code(step).bottom;
        return Array.from({length: this.depth(step)}, (_, i) => this.value(bottom + i, step));
    }

    result(step) {
        return this.value(this.base[this.frame(step)], step);
    }

    // What the instruction pushed: the values that are on the stack at the next step of the frame; null if unknown.
    pushed(step) {
        const after = this.after[step];
        if (after < 0 || this.kind(after) || this.raiseAt.has(step) || this.handles(after)) {
            return null;
        }
        return this.stack(after).slice(Math.max(this.depth(step) - this.at(step).taken, 0));
    }

    // How many values at the top of the stack the frame's last instruction pushed.
    justPushed(step) {
        const before = this.before[step];
        if (before < 0 || this.kind(step)) {
            return 0;
        }
        if (this.kind(before)) {                        // what send() sent, and then what was thrown
            return this.handles(step) || this.kind(before) === 2 ? 1 : 0;
        }
        if (this.handles(step)) {
            return 1;
        }
        return Math.max(this.depth(step) - Math.max(this.depth(before) - this.at(before).taken, 0), 0);
    }

    // Variables: [{name, place, kind}] of a frame, and of a module.

    variables(frame) {
        const code = this.codes[this.columns.frame_code[frame]];
        return code.variables.map((name, i) => ({
            name, place: this.base[frame] + 1 + i,
            kind: code.free.includes(name) ? 'outer' : code.cells.includes(name) ? 'shared' : 'local'}));
    }

    globals(module) {
        const found = [];
        this.head.names.forEach(([name, owner], i) => {
            if (this.head.modules[owner] === module) {
                found.push({name, place: this.named + i, kind: 'global'});
            }
        });
        return found;
    }

    // The variables of a class body, while it runs.
    classVariables(frame, step) {
        if (this.codes[this.columns.frame_code[frame]].kind !== 'class') {
            return [];
        }
        const found = [];
        this.head.names.forEach(([name, owner, creator], i) => {
            if (owner < 0 && creator === frame) {
                found.push({name, place: this.named + i, kind: 'class'});
            }
        });
        return found;
    }
}
