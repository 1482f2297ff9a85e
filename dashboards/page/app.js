/* app: draws weir's page from weir's own APIs. No library, nothing foreign.
 * All text goes in as text, never as markup: it came from the network. */
'use strict';
const $ = id => document.getElementById(id);
const state = { pick: null, graph: null, trace: '', traceText: '', open: new Set(), hues: new Map(), services: '' };

/* ---- making elements ---- */
function fill(element, attrs, kids) {
	for (const [key, value] of Object.entries(attrs || {})) {
		if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
		else if (value != null && value !== false) element.setAttribute(key, value === true ? '' : value);
	}
	element.append(...kids.flat(3).filter(kid => kid != null && kid !== false));
	return element;
}
const h = (tag, attrs, ...kids) => fill(document.createElement(tag), attrs, kids);
const s = (tag, attrs, ...kids) => fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attrs, kids);
const press = fn => ({ onclick: fn, onkeydown: e => { if (e.key === 'Enter' || e.key === ' ') { e.preventDefault(); fn(e); } } });

/* ---- numbers for people ---- */
const round = x => x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1).replace(/\.0$/, '') : x.toFixed(2).replace(/\.?0+$/, '');
function scaled(x, step, units) {
	let i = 0;
	while (x >= step && i < units.length - 1) { x /= step; i++; }
	return round(x) + units[i];
}
const count = x => scaled(x, 1000, ['', ' k', ' M', ' G']);
const bytes = x => scaled(x, 1024, [' B', ' KiB', ' MiB', ' GiB', ' TiB']);
const micros = x => x === undefined ? '–' : x >= 6e7 ? round(x / 6e7) + ' min' : scaled(x, 1000, [' µs', ' ms', ' s']);
const percent = x => round(100 * x) + ' %';
const short = name => name.replace('.svc.cluster.local', '');
function ago(ms) {
	const t = Math.max(0, Date.now() - ms) / 1000;
	return !ms ? '–' : t < 60 ? Math.round(t) + ' s ago' : t < 3600 ? Math.round(t / 60) + ' min ago' : t < 86400 ? Math.round(t / 3600) + ' h ago' : Math.round(t / 86400) + ' d ago';
}
/* A service keeps its colour as long as the page lives; the hues lie well apart. */
function colour(name) {
	name = name.split('.')[0];
	if (!state.hues.has(name)) state.hues.set(name, state.hues.size);
	const n = state.hues.get(name);
	return `hsl(${(195 + n * 137.5) % 360 | 0},52%,${[52, 40, 63][n % 3]}%)`;
}
async function get(path, raw) {
	const answer = await fetch(path);
	if (!answer.ok) throw new Error((await answer.text()).trim() || answer.statusText);
	return raw ? answer.text() : answer.json();
}

/* ---- the graph: layers from left to right, the same for the same input ---- */
const W = 188, H = 46, GX = 150, GY = 22;
const evidence = edge => edge.server || edge.client || edge.spans;

function layout(nodes, edges) {
	const at = new Map();
	nodes = [...nodes].sort((a, b) => a.id < b.id ? -1 : 1);
	for (const n of nodes) at.set(n.id, { node: n, out: [], into: 0, mark: 0, layer: 0, y: 0 });
	edges = edges.map(e => ({ edge: e, a: at.get(e.source), b: at.get(e.target) })).filter(e => e.a && e.b)
		.sort((x, y) => x.edge.target < y.edge.target ? -1 : x.edge.target > y.edge.target ? 1 : x.edge.protocol < y.edge.protocol ? -1 : 1);
	for (const e of edges) { e.a.out.push(e); if (e.a !== e.b) e.b.into++; }
	const finish = []; /* depth first: edges that close a circle run back and do not count for layers */
	const visit = v => {
		v.mark = 1;
		for (const e of v.out) { if (e.b.mark === 1) e.back = true; else if (!e.b.mark) visit(e.b); }
		v.mark = 2;
		finish.unshift(v);
	};
	const all = [...at.values()];
	for (const v of [...all.filter(v => !v.into), ...all]) if (!v.mark) visit(v);
	for (const v of finish) for (const e of v.out) if (!e.back) e.b.layer = Math.max(e.b.layer, v.layer + 1);
	/* who is called by nobody stands just before the first whom it calls */
	for (const v of all) if (!v.into && v.out.length) v.layer = Math.max(0, Math.min(...v.out.map(e => e.b.layer)) - 1);
	const layers = [];
	const put = v => (layers[v.layer] = layers[v.layer] || []).push(v);
	for (const v of all) { v.near = []; put(v); }
	for (const e of edges) { /* a long edge gets a place in each layer that it crosses */
		if (e.back) continue;
		e.via = [];
		let last = e.a;
		for (let l = e.a.layer + 1; l <= e.b.layer; l++) {
			const v = l === e.b.layer ? e.b : { near: [], layer: l, y: 0, thin: true };
			if (v !== e.b) { put(v); e.via.push(v); }
			last.near.push(v);
			v.near.push(last);
			last = v;
		}
	}
	const mean = (v, side) => {
		const list = v.near.filter(n => n.layer === v.layer + side);
		return list.length ? list.reduce((sum, n) => sum + n.y, 0) / list.length : v.y;
	};
	const place = (list, wish) => { /* as near to all wishes as the gaps let; who wants the same place shares the way */
		const blocks = [], room = v => v.thin ? 18 : H;
		list.forEach((v, i) => {
			v.y = i ? list[i - 1].y + (room(v) + room(list[i - 1])) / 2 + GY : 0;
			let b = { sum: wish[i] - v.y, all: [v] };
			for (let a; (a = blocks.at(-1)) && a.sum / a.all.length >= b.sum / b.all.length; blocks.pop()) b = { sum: a.sum + b.sum, all: [...a.all, ...b.all] };
			blocks.push(b);
		});
		for (const b of blocks) for (const v of b.all) v.y += b.sum / b.all.length;
	};
	for (const list of layers) place(list, list.map(() => 0));
	for (let round = 0; round < 24; round++) {
		const side = round % 2 ? 1 : -1;
		for (const list of side < 0 ? layers : [...layers].reverse()) {
			const wish = new Map(list.map(v => [v, mean(v, side)]));
			if (round < 16) list.sort((a, b) => wish.get(a) - wish.get(b));
			place(list, list.map(v => wish.get(v)));
		}
	}
	const flat = layers.flat(), top = Math.min(...flat.map(v => v.y)) - H / 2 - 16;
	for (const v of flat) { v.x = v.layer * (W + GX) + 8; v.y -= top; }
	const ports = (list, end, far) => { /* edges that meet at a node keep a little apart, in the order of where they come from */
		list = list.filter(e => !e.back).sort((x, y) => far(x).y - far(y).y);
		list.forEach((e, i) => { e[end] = (i - (list.length - 1) / 2) * Math.min(17, 32 / (list.length - 1 || 1)); });
	};
	for (const v of all) {
		ports(v.out, 'y1', e => e.via[0] || e.b);
		ports(edges.filter(e => e.b === v), 'y2', e => e.via.at(-1) || e.a);
	}
	const bottom = Math.max(...flat.map(v => v.y)) + H / 2;
	return { all, edges, bottom, width: layers.length * (W + GX) - GX + 16, height: bottom + (edges.some(e => e.back) ? 40 : 16) };
}

function route(e, bottom) {
	const y1 = e.a.y + e.y1, y2 = e.b.y + e.y2;
	if (e.back) { /* around below all, into the target from underneath */
		const own = e.a === e.b, x1 = e.a.x + W * (own ? .7 : .5), x2 = e.b.x + W * .3, low = own ? e.a.y + H / 2 + 22 : bottom + 24;
		return { d: `M${x1},${e.a.y + H / 2}C${x1},${low} ${x1},${low} ${x1 - 24},${low}H${x2 + 24}C${x2},${low} ${x2},${low} ${x2},${e.b.y + H / 2 + 7}`,
			tip: `M${x2},${e.b.y + H / 2}l-5,8h10z`, points: [], x: (x1 + x2) / 2, y: low };
	}
	const points = [[e.a.x + W, y1], ...e.via.flatMap(v => [[v.x, v.y], [v.x + W, v.y]]), [e.b.x - 8, y2]];
	let d = `M${points[0]}`;
	for (let i = 1; i < points.length; i++) {
		const [x, y] = points[i - 1], [u, v] = points[i], m = (x + u) / 2;
		d += y === v ? `L${u},${v}` : `C${m},${y} ${m},${v} ${u},${v}`;
	}
	return { d, points, tip: `M${e.b.x},${y2}l-9,-5v10z` };
}

/* A point of the curve that `route` draws from p to q. */
function along([x, y], [u, v], t) {
	const k = 1 - t;
	return [k * k * k * x + 1.5 * t * k * (x + u) + t * t * t * u, k * k * (1 + 2 * t) * y + t * t * (3 - 2 * t) * v];
}

/* Each label stands on its line, where it covers no node, no other label and the least of other lines; long ones choose first. */
function placeLabels(edges, all) {
	const boxes = all.map(v => ({ x: v.x + W / 2, y: v.y, w: W / 2 + 9, h: H / 2 }));
	const dots = edges.length > 200 ? [] : edges.flatMap(e => e.route.points.slice(1).flatMap((q, i) => [...Array(16).keys()].map(k => ({ e, at: along(e.route.points[i], q, k / 16) }))));
	for (const e of [...edges].sort((a, b) => b.label.length - a.label.length)) {
		const r = e.route, w = e.label.length * 3.1 + 3, h = 8, wish = e.b.into > e.a.out.length ? .3 : .7;
		let least = Infinity;
		for (let i = 1; i < r.points.length; i++) for (let t = .2; t < .84; t += .04) {
			const [x, y] = along(r.points[i - 1], r.points[i], t);
			let cost = Math.abs(t - wish) * 9;
			for (const b of boxes) if (Math.abs(b.x - x) < w + b.w && Math.abs(b.y - y) < h + b.h) cost += 50;
			for (const d of dots) if (d.e !== e && Math.abs(d.at[0] - x) < w && Math.abs(d.at[1] - y) < h) cost++;
			if (cost < least) { least = cost; r.x = x; r.y = y; }
		}
		boxes.push({ x: r.x, y: r.y, w, h });
	}
}

const picked = key => state.pick === key ? 'picked' : '';
const edgeKey = edge => edge.source + '>' + edge.target + '>' + edge.protocol;
const cut = (text, n) => text.length > n ? text.slice(0, n - 1) + '…' : text;
/* A rate; for what hardly happens the sum says more. */
function rateOf(edge, c) {
	if (edge.protocol === 'tcp') return c.received_bytes_per_s >= 1 ? bytes(c.received_bytes_per_s) + '/s' : bytes(c.received_bytes);
	return c.rate_per_s >= .1 ? count(c.rate_per_s) + '/s' : count(c.requests) + (c.requests === 1 ? ' call' : ' calls');
}

function drawEdge(e, names) {
	const c = evidence(e.edge), tcp = e.edge.protocol === 'tcp', r = e.route, key = edgeKey(e.edge), label = e.label;
	const rate = tcp ? c.received_bytes_per_s / 1000 : c.rate_per_s;
	const g = s('g', { class: `edge ${c.requests || tcp ? '' : 'idle'} ${e.edge.server || e.edge.client ? '' : 'spans'} ${picked(key)}`, tabindex: 0, role: 'button', 'data-key': key,
		'aria-label': `${names.get(e.edge.source)} to ${names.get(e.edge.target)}, ${e.edge.protocol}, ${label}`, ...press(() => pick(key)) },
		s('path', { class: 'hit', d: r.d }),
		s('path', { class: 'line', d: r.d, 'stroke-width': (1.5 + Math.min(4.5, 1.6 * Math.log10(1 + rate))).toFixed(1) }),
		s('path', { class: 'tip', d: r.tip }));
	if (c.error_rate > 0) g.style.color = `hsl(${40 - 38 * c.error_rate ** .6 | 0},75%,53%)`; /* amber to red */
	return [g, s('text', { class: `rate ${picked(key)}`, x: r.x.toFixed(1), y: (r.y + 4).toFixed(1), 'aria-hidden': true, onclick: () => pick(key) }, label)];
}

function drawNode(v) {
	const n = v.node, sub = [n.namespace, n.version || n.cluster].filter(Boolean).join(' · ') || (n.workload ? '' : n.service ? 'service' : '');
	return s('g', { class: `node ${n.id.startsWith('unknown:') ? 'nobody' : ''} ${picked(n.id)}`, tabindex: 0, role: 'button', 'data-key': n.id, 'aria-label': `${n.name} ${sub}`,
		transform: `translate(${v.x},${(v.y - H / 2).toFixed(1)})`, ...press(() => { pick(n.id); filterBy(n); }) },
		s('title', null, [n.name, n.namespace].filter(Boolean).join(' in ')),
		s('rect', { class: 'body', width: W, height: H, rx: 10 }), s('rect', { x: 9, y: 11, width: 4, height: H - 22, rx: 2, fill: colour(n.app || n.name) }),
		s('text', { x: 22, y: sub ? 20 : 28 }, cut(short(n.name), 20)), sub ? s('text', { class: 'sub', x: 22, y: 35 }, cut(sub, 26)) : null);
}

function drawGraph() {
	const graph = state.graph, box = $('graph'), focus = document.activeElement?.getAttribute('data-key');
	$('graph-note').textContent = graph.edges.length ? `${graph.nodes.length} nodes, ${graph.edges.length} edges` : '';
	if (!graph.edges.length) {
		box.replaceChildren(h('p', { class: 'quiet' }, 'No calls in this time.'));
	} else {
		const l = layout(graph.nodes, graph.edges), names = new Map(graph.nodes.map(n => [n.id, n.name]));
		for (const e of l.edges) { e.route = route(e, l.bottom); const c = evidence(e.edge); e.label = rateOf(e.edge, c) + (c.errors ? ` · ${percent(c.error_rate)}` : ''); }
		placeLabels(l.edges, l.all);
		const drawn = l.edges.map(e => drawEdge(e, names));
		const svg = s('svg', { class: 'graph', role: 'group', 'aria-label': 'Service graph', viewBox: `0 0 ${l.width} ${l.height.toFixed(0)}`, width: l.width, height: l.height.toFixed(0) },
			drawn.map(d => d[0]), drawn.map(d => d[1]), l.all.map(drawNode));
		svg.style.minWidth = l.width * .5 + 'px';
		box.replaceChildren(svg);
	}
	if (focus) for (const g of box.querySelectorAll('[data-key]')) if (g.getAttribute('data-key') === focus) g.focus();
	drawPanel();
}

function pick(key) {
	state.pick = state.pick === key ? null : key;
	drawGraph();
}

function panelOfEdge(edge, name) {
	const kinds = [['caller logs', edge.client], ['callee logs', edge.server], ['spans', edge.spans]].filter(k => k[1]), tcp = edge.protocol === 'tcp';
	const row = (title, fn) => h('tr', null, h('th', { scope: 'row' }, title), kinds.map(k => h('td', null, fn(k[1]))));
	const ms = x => x === null ? '–' : micros(x * 1000);
	return [`${name(edge.source)} → ${name(edge.target)}`, h('table', null,
		h('thead', null, h('tr', null, h('th', { scope: 'col' }, edge.protocol.toUpperCase()), kinds.map(k => h('th', { scope: 'col' }, k[0])))),
		h('tbody', null, tcp ? row('connections', c => count(c.connections)) : [row('requests', c => count(c.requests)), row('errors', c => count(c.errors)), row('error rate', c => percent(c.error_rate))],
			row('rate', c => rateOf(edge, c)), tcp ? [row('sent', c => bytes(c.sent_bytes)), row('received', c => bytes(c.received_bytes))] : [row('p50', c => ms(c.p50_ms)), row('p90', c => ms(c.p90_ms)), row('p99', c => ms(c.p99_ms))],
			row('last', c => ago(c.last_unix_ms)))),
	h('p', { class: 'quiet' }, kinds.length > 1 ? 'Each column saw the same calls; they do not add up.' : '')];
}

function panelOfNode(n, name) {
	const list = (title, edges, end) => edges.length ? [h('tr', null, h('th', { colspan: 2, scope: 'rowgroup' }, h('b', null, title))),
		edges.map(e => h('tr', null, h('td', { class: 'wrap' }, name(e[end])), h('td', null, rateOf(e, evidence(e)))))] : [];
	return [n.name, h('p', { class: 'quiet' }, ['namespace', 'app', 'version', 'service', 'cluster'].filter(k => n[k]).map(k => `${k} ${n[k]}`).join(', ')),
		h('table', null, h('tbody', null, list('called by', state.graph.edges.filter(e => e.target === n.id), 'source'), list('calls', state.graph.edges.filter(e => e.source === n.id), 'target')))];
}

function drawPanel() {
	const name = id => state.graph.nodes.find(n => n.id === id)?.name || id;
	const edge = state.graph.edges.find(e => edgeKey(e) === state.pick), node = state.graph.nodes.find(n => n.id === state.pick);
	$('panel').hidden = !edge && !node;
	if (!edge && !node) return;
	const [title, ...rest] = edge ? panelOfEdge(edge, name) : panelOfNode(node, name);
	$('panel').replaceChildren(h('div', { class: 'bar' }, h('h3', null, title), h('button', { type: 'button', 'aria-label': 'Close details', onclick: () => pick(state.pick) }, '×')), ...rest);
}

/* ---- traces ---- */
const form = $('search');
function filterBy(n) {
	const known = [...form.serviceName.options].map(o => o.value), app = n.app || n.name.split('.')[0];
	const found = [`${app}.${n.namespace}`, app, n.service, n.name].find(x => x && known.includes(x.toLowerCase()));
	form.serviceName.value = found && state.pick ? found.toLowerCase() : '';
	loadTraces();
}

function queryOf() {
	const query = new URLSearchParams();
	for (const [key, value] of new FormData(form)) if (value.trim()) query.set(key, value.trim());
	const least = /^([\d.]+)\s*(us|µs|ms|s)?$/.exec(query.get('minDuration') || '');
	if (least) query.set('minDuration', Math.max(1, Math.round(least[1] * ({ us: 1, µs: 1, s: 1e6 }[least[2]] || 1000))));
	return query;
}

const isError = span => 'error' in (span.tags || {});
const serviceOf = span => span.localEndpoint?.serviceName || 'unknown';
const dot = name => { const d = h('i', { class: 'dot' }); d.style.background = colour(name); return d; };

function drawTraces(traces) {
	const rows = traces.map(spans => {
		const root = spans.find(x => !x.parentId) || spans[0], start = Math.min(...spans.map(x => x.timestamp || Infinity));
		const end = Math.max(...spans.map(x => (x.timestamp || 0) + (x.duration || 0)));
		return { root, spans, start, length: root.duration || end - start, error: spans.some(isError), services: [...new Set(spans.map(serviceOf))] };
	});
	const most = Math.max(1, ...rows.map(r => r.length));
	$('traces-note').textContent = rows.length ? `newest ${rows.length}` : 'none found';
	$('traces').replaceChildren(...rows.map(r => {
		const bar = h('i', { class: r.error ? 'bad' : '' }), id = r.root.traceId;
		bar.style.width = Math.max(1, 100 * r.length / most) + '%';
		return h('li', null, h('a', { href: '#trace=' + id, class: id === state.trace ? 'trace picked' : 'trace', title: r.services.join(', ') },
			h('span', { class: 'what' }, dot(serviceOf(r.root)), h('b', null, serviceOf(r.root)), ' ', short(r.root.name || ''), r.error ? h('span', { class: 'bad' }, ' ● error') : null),
			h('span', { class: 'meter' }, bar), h('span', { class: 'num' }, micros(r.length)), h('span', { class: 'num spans' }, r.spans.length + (r.spans.length === 1 ? ' span' : ' spans')), h('span', { class: 'num' }, ago(r.start / 1000))));
	}));
	return rows.length;
}

/* Here and below: an answer to what is not asked any more is not drawn. */
async function loadTraces() {
	const query = String(queryOf()), isAsked = () => query === String(queryOf());
	try {
		const traces = await get('/api/v2/traces?' + query);
		return isAsked() ? drawTraces(traces) : traces.length;
	} catch (error) {
		if (isAsked()) $('traces-note').textContent = error.message;
		return 0;
	}
}

async function loadServices() {
	const names = await get('/api/v2/services'), text = names.join('\n');
	if (text === state.services) return;
	state.services = text;
	const chosen = form.serviceName.value;
	form.serviceName.replaceChildren(h('option', { value: '' }, 'any'), ...names.map(n => h('option', null, n)));
	form.serviceName.value = names.includes(chosen) ? chosen : '';
}

/* ---- one trace ---- */
function treeOf(spans) {
	const own = new Map(), shared = new Map(), rows = [], kids = new Map();
	for (const span of spans) (span.shared ? shared : own).set(span.id, span);
	const parentOf = x => {
		if (x.shared && own.has(x.id)) return own.get(x.id);
		const b = shared.get(x.parentId);
		return b && (serviceOf(b) === serviceOf(x) || !own.has(x.parentId)) ? b : own.get(x.parentId);
	};
	for (const span of spans) { const p = parentOf(span); kids.set(p, [...(kids.get(p) || []), span]); }
	const seen = new Set(), walk = (span, depth) => {
		if (seen.has(span)) return;
		seen.add(span);
		rows.push({ span, depth });
		for (const kid of (kids.get(span) || []).sort((a, b) => (a.timestamp || 0) - (b.timestamp || 0))) walk(kid, depth + 1);
	};
	for (const span of [...(kids.get(undefined) || []), ...spans]) walk(span, 0);
	return rows;
}

const endpoint = e => e ? [e.serviceName, [e.ipv4 || e.ipv6, e.port].filter(Boolean).join(':')].filter(Boolean).join(' ') : '';
function detail(span, start) {
	const rows = [['span id', span.id], ['started', new Date((span.timestamp || 0) / 1000).toISOString()], ['remote', endpoint(span.remoteEndpoint)], ['local', endpoint(span.localEndpoint)],
		...(span.annotations || []).map(a => ['+ ' + micros(a.timestamp - start), a.value]), ...Object.entries(span.tags || {})];
	return h('div', { class: 'detail' }, h('table', null, h('tbody', null, rows.filter(r => r[1] !== '').map(r => h('tr', null, h('td', null, r[0]), h('td', { class: 'wrap' }, r[1]))))));
}

function drawRow({ span, depth }, start, length) {
	const key = span.id + !!span.shared, bar = h('i', { class: isError(span) ? 'bad' : '' }), label = h('em', null, micros(span.duration));
	const left = span.timestamp ? 100 * (span.timestamp - start) / length : 0, width = Math.max(.2, 100 * (span.duration || 0) / length), who = h('span', { class: 'what' });
	bar.style.left = left + '%';
	bar.style.width = Math.min(width, 100 - left) + '%';
	bar.style.background = colour(serviceOf(span));
	if (left + width > 75) label.style.right = 100 - left + '%'; else label.style.left = left + width + '%';
	if (left + width > 75 && left < 20) { label.style.right = 'auto'; label.style.left = left + '%'; label.style.color = '#fff'; }
	const marks = (span.annotations || []).map(a => { const u = h('u', { title: a.value }); u.style.left = Math.min(100, Math.max(0, 100 * (a.timestamp - start) / length)) + '%'; return u; });
	who.style.paddingLeft = Math.min(depth, 12) * 14 + 'px';
	who.append(dot(serviceOf(span)), h('b', null, serviceOf(span)), ' ', short(span.name || ''), h('span', { class: 'kind' }, (span.kind || '').toLowerCase()));
	const row = h('button', { type: 'button', class: 'row span', 'aria-expanded': state.open.has(key), onclick: () => {
		if (!state.open.delete(key)) state.open.add(key);
		row.setAttribute('aria-expanded', state.open.has(key));
		if (state.open.has(key)) row.after(detail(span, start)); else row.nextSibling.remove();
	} }, who, h('span', { class: 'lane' }, bar, marks, label));
	return state.open.has(key) ? [row, detail(span, start)] : row;
}

function drawTrace(spans) {
	const start = Math.min(...spans.map(x => x.timestamp || Infinity)), end = Math.max(...spans.map(x => (x.timestamp || 0) + (x.duration || 0)));
	const length = Math.max(1, end - start), rows = treeOf(spans), shown = rows.slice(0, 1000), errors = spans.filter(isError).length;
	$('trace-note').textContent = `${spans[0].traceId} · ${spans.length} spans · ${new Set(spans.map(serviceOf)).size} services · ${micros(length)}${errors ? ` · ${errors} with errors` : ''}`
		+ (shown.length < rows.length ? ` · the first ${shown.length} shown` : '');
	$('waterfall').replaceChildren(h('div', { class: 'axis', 'aria-hidden': 'true' }, h('span'), h('span', null, [0, .25, .5, .75, 1].map(x => h('span', null, x ? micros(length * x) : '0')))), ...shown.flatMap(r => drawRow(r, start, length)));
}

async function loadTrace(scroll) {
	const id = /^#trace=([0-9a-f]{1,32})$/.exec(location.hash)?.[1] || '';
	if (id !== state.trace) { state.trace = id; state.traceText = ''; state.open.clear(); }
	$('trace').hidden = !id;
	for (const a of $('traces').querySelectorAll('a')) a.classList.toggle('picked', a.hash === '#trace=' + id);
	if (!id) return;
	try {
		const text = await get('/api/v2/trace/' + id, true);
		if (id !== state.trace) return;
		if (text !== state.traceText) { state.traceText = text; drawTrace(JSON.parse(text)); }
	} catch (error) {
		if (id !== state.trace) return;
		state.traceText = '';
		$('trace-note').textContent = error.message;
		$('waterfall').replaceChildren();
	}
	if (scroll) $('trace').scrollIntoView();
}

/* ---- the ledger ---- */
const reasons = map => Object.entries(map).map(([k, v]) => `${count(v)} ${k}`).join(', ') || '0';
function drawLedger(ledger) {
	$('ledger-note').replaceChildren(ledger.closes ? h('span', { class: 'good' }, 'closes ✓') : h('span', { class: 'bad' }, 'does not close ✗'), ' received = kept + thinned + dropped + duplicates');
	$('ledger-table').hidden = !ledger.rows.length;
	const columns = ['source', 'protocol', 'signal', 'received', 'kept', 'thinned', 'dropped', 'duplicates', 'mismatched', 'refused', 'last'];
	$('ledger-table').replaceChildren(h('thead', null, h('tr', null, columns.map(c => h('th', { scope: 'col' }, c)))), h('tbody', null, [...ledger.rows].sort((a, b) => a.source.localeCompare(b.source) || a.signal.localeCompare(b.signal) || a.protocol.localeCompare(b.protocol)).map(r =>
		h('tr', null, [r.source || '(refused at the door)', r.protocol, r.signal, count(r.received), count(r.kept), reasons(r.thinned), reasons(r.dropped), count(r.duplicates), count(r.mismatched), reasons(r.refused), ago(r.last_unix_ms)]
			.map((text, i) => h('td', { class: i ? '' : 'wrap' }, text))))));
	$('completeness').replaceChildren(...ledger.completeness.map(c => h('li', null,
		`${c.source}: ${c.ratio === null ? 'nothing sent yet' : (100 * c.ratio).toFixed(2) + ' % seen'} `, h('span', { class: 'quiet' }, `${c.signal}, ${count(c.seen)} of ${count(c.sent)}${c.dropped ? `, ${count(c.dropped)} dropped by the proxy` : ''}`))));
	$('completeness').hidden = $('completeness-title').hidden = !ledger.completeness.length;
	return ledger.rows.reduce((sum, r) => sum + r.received, 0);
}

/* ---- the series: asked for only while it is open, since weir counts every label then ---- */
async function loadSeries() {
	if (!$('series').open) return;
	const { series } = await get('/status'), lost = series.overflowed + series.passed_through_overflowed;
	$('series-note').textContent = `${count(series.live)} of ${count(series.budget)}` + (series.passed_through ? ` · ${count(series.passed_through)} of senders` : '')
		+ (lost ? ` · ${count(lost)} overflowed` : '') + (series.incomplete ? ` · labels not counted: ${series.incomplete}` : '');
	$('series-table').hidden = !series.labels?.length;
	$('series-table').replaceChildren(h('thead', null, h('tr', null, ['label', 'distinct values', 'series', 'bytes'].map(c => h('th', { scope: 'col' }, c)))),
		h('tbody', null, (series.labels || []).map(l => h('tr', null, h('td', { class: 'wrap' }, l.name), [count(l.values), count(l.series), bytes(l.bytes)].map(text => h('td', null, text))))));
}
$('series').addEventListener('toggle', () => loadSeries().catch(error => { $('series-note').textContent = error.message; }));

async function refresh() {
	const horizon = $('horizon').value;
	try {
		const [st, le, gr] = await Promise.all([get('/status?series=0'), get('/api/ledger'), get('/api/graph?horizon=' + horizon)]), received = drawLedger(le);
		if (horizon !== $('horizon').value) return; /* whoever changed it has asked anew */
		state.graph = gr;
		drawGraph();
		await loadServices();
		const traces = await loadTraces();
		$('empty').hidden = received > 0 || traces > 0;
		drawPorts(st.listen);
		$('graph-card').hidden = !$('empty').hidden;
		$('summary').textContent = `${count(received)} received · ${count(st.storage.spans)} spans stored, ${bytes(st.storage.used_bytes)} · storage ${st.storage.state} · ${st.version}`;
		await loadTrace(false);
		await loadSeries();
	} catch (error) {
		$('summary').textContent = 'no answer: ' + error.message;
	}
}

/* One refresh at a time; the next starts 5 s after the last one ended. */
async function live() {
	if ($('live').checked && !document.hidden) await refresh();
	setTimeout(live, 5000);
}

function drawPorts(listen) {
	const origin = location.origin, grpc = listen.grpc.map(a => a.startsWith('unix:') ? a : location.hostname + a.slice(a.lastIndexOf(':'))).join(' or ');
	$('ports').replaceChildren(...[['OpenTelemetry, HTTP', origin + '/v1/traces'], ['OpenTelemetry and Envoy access logs, gRPC', grpc], ['Zipkin', origin + '/api/v2/spans']]
		.flatMap(([what, where]) => [h('dt', null, what), h('dd', null, h('code', null, where))]));
}
form.addEventListener('submit', e => { e.preventDefault(); loadTraces(); });
form.serviceName.addEventListener('change', async () => {
	const name = form.serviceName.value, names = name ? await get('/api/v2/spans?serviceName=' + encodeURIComponent(name)).catch(() => []) : [];
	if (name !== form.serviceName.value) return;
	$('spans').replaceChildren(...names.map(n => h('option', { value: n })));
	loadTraces();
});
$('horizon').addEventListener('change', refresh);
$('live').addEventListener('change', () => { if ($('live').checked) refresh(); });
$('trace-close').addEventListener('click', () => { location.hash = ''; $('traces-title').scrollIntoView({ block: 'nearest' }); });
addEventListener('hashchange', () => loadTrace(true));
live();
loadTrace(false);
