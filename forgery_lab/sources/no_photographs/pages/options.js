// Options of charts for ECharts: kinds, palettes and data from the page's seed.
import * as d from "/pages/draw.js";

export function option() {
  const names = d.many(d.whole(4, 12), () => d.title(1).slice(0, 12));
  const walk = (count) => { let value = d.between(10, 90); return d.many(count, () => (value += d.between(-9, 9.5)).toFixed(1)); };
  const series = d.whole(1, 4);
  const axes = {
    xAxis: { type: "category", data: names }, yAxis: { type: "value", name: d.title(1) },
    grid: { left: 50, right: 20, top: 45, bottom: 35 },
  };
  const kinds = {
    lines: () => ({ ...axes, series: d.many(series, () => ({ type: "line", smooth: d.maybe(0.5), areaStyle: d.maybe(0.4) ? {} : undefined, data: walk(names.length) })) }),
    bars: () => ({ ...axes, series: d.many(series, () => ({ type: "bar", stack: d.maybe(0.4) ? "one" : undefined, data: walk(names.length) })) }),
    pie: () => ({ legend: { bottom: 0 }, series: [{ type: "pie", radius: d.pick(["60%", ["35%", "65%"]]), roseType: d.maybe(0.3) ? "radius" : undefined, data: names.map((name) => ({ name, value: d.whole(1, 90) })) }] }),
    dots: () => ({ xAxis: {}, yAxis: {}, series: d.many(series, () => ({ type: "scatter", symbolSize: d.whole(3, 18), itemStyle: { opacity: 0.7 }, data: d.many(d.whole(20, 200), () => [d.between(0, 100), d.between(0, 50) + d.between(0, 50)]) })) }),
    radar: () => ({ radar: { indicator: names.slice(0, 7).map((name) => ({ name, max: 100 })) }, series: [{ type: "radar", areaStyle: {}, data: d.many(series, () => ({ value: names.slice(0, 7).map(() => d.whole(10, 100)) })) }] }),
    heat: () => ({ xAxis: { type: "category", data: names }, yAxis: { type: "category", data: names }, visualMap: { min: 0, max: 10, show: d.maybe(0.5), inRange: { color: [d.colour(), d.colour(), d.colour()] } }, series: [{ type: "heatmap", label: { show: d.maybe(0.5) }, data: names.flatMap((_, x) => names.map((_, y) => [x, y, d.whole(0, 10)])) }] }),
    gauge: () => ({ series: [{ type: "gauge", progress: { show: true }, data: [{ value: d.whole(1, 99), name: d.title(1) }] }] }),
    candles: () => ({ ...axes, series: [{ type: "candlestick", data: names.map(() => { const [a, b] = [d.between(20, 80), d.between(20, 80)]; return [a, b, Math.min(a, b) - d.between(1, 9), Math.max(a, b) + d.between(1, 9)]; }) }] }),
    tree: () => ({ series: [{ type: "treemap", data: names.map((name) => ({ name, value: d.whole(2, 60), children: d.many(3, () => ({ name: d.title(1), value: d.whole(1, 20) })) })) }] }),
    flow: () => ({ series: [{ type: "sankey", data: names.map((name, i) => ({ name: name + i })), links: names.slice(1).map((name, i) => ({ source: names[d.whole(0, i)] + 0, target: name + (i + 1), value: d.whole(1, 9) })).map((link, i) => ({ ...link, source: names[0] + 0 })) }] }),
  };
  return {
    animation: false, title: { text: d.maybe(0.6) ? d.title() : "", textStyle: { fontSize: d.whole(12, 20) } },
    color: d.maybe(0.5) ? d.many(6, () => d.colour()) : undefined, ...d.pick(Object.values(kinds))(),
  };
}
