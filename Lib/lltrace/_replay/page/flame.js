// The whole run from left to right, with a band for each call: a flame graph, on which a click goes to a step.

const HEIGHT = 15;

export class Flame {
    constructor(canvas, recording, go) {
        Object.assign(this, {canvas, recording});
        this.layOut();
        let dragging = false;
        const follow = event => {
            const {left, width} = canvas.getBoundingClientRect();
            const step = Math.floor((event.clientX - left) / width * recording.length);
            go(Math.min(Math.max(step, 0), recording.length - 1));
        };
        canvas.addEventListener('pointerdown', event => {
            dragging = true;
            canvas.setPointerCapture(event.pointerId);
            follow(event);
        });
        canvas.addEventListener('pointermove', event => dragging && follow(event));
        canvas.addEventListener('pointerup', () => { dragging = false; });
        canvas.addEventListener('pointercancel', () => { dragging = false; });
        new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
        matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
    }

    // The row of each visit: those of a thread are together, and only the outermost eight levels are drawn.
    layOut() {
        const recording = this.recording, threads = recording.columns.visit_thread;
        const most = recording.head.threads.length > 1 ? 3 : 8;
        const deepest = recording.head.threads.map(() => 0);
        threads.forEach((thread, visit) => {
            deepest[thread] = Math.max(deepest[thread], Math.min(recording.level[visit], most - 1));
        });
        const top = [];
        let rows = 0;
        for (const deep of deepest) {
            top.push(rows);
            rows += deep + 1;
        }
        this.rows = Math.max(rows, 1);
        this.canvas.style.height = `${this.rows * HEIGHT}px`;
        this.visits = [];
        threads.forEach((thread, visit) => {
            if (recording.level[visit] < most && recording.first[visit] >= 0) {
                this.visits.push([visit, top[thread] + recording.level[visit]]);
            }
        });
    }

    draw() {
        const recording = this.recording, canvas = this.canvas, scale = devicePixelRatio || 1;
        const width = canvas.parentElement.clientWidth, height = this.rows * HEIGHT;
        canvas.width = width * scale;
        canvas.height = height * scale;
        const context = canvas.getContext('2d');
        context.scale(scale, scale);
        context.font = '11px system-ui, sans-serif';
        context.textBaseline = 'middle';
        const dark = matchMedia('(prefers-color-scheme: dark)').matches;
        const one = width / recording.length;
        const filled = new Float64Array(this.rows).fill(-1);   // skips bands that would not be visible
        for (const [visit, row] of this.visits) {
            const left = recording.first[visit] * one, right = (recording.last[visit] + 1) * one;
            if (right - filled[row] < .4) {
                continue;
            }
            filled[row] = right;
            const number = recording.columns.frame_code[recording.columns.visit_frame[visit]];
            context.fillStyle = `hsl(${number * 67 % 360} 55% ${dark ? 32 : 80}%)`;
            context.fillRect(left, row * HEIGHT, Math.max(right - left - .6, .6), HEIGHT - 1.5);
            if (right - left > 34) {
                context.fillStyle = dark ? '#fff' : '#000';
                const code = recording.codes[number], room = Math.floor((right - left - 8) / 6.2);
                const name = recording.title(code);
                context.fillText(name.length > room ? `${name.slice(0, room - 1)}…` : name, left + 4, row * HEIGHT + 7);
            }
        }
    }
}
