"""What `make bench` shows of its results: tables on the terminal, a Markdown page, a chart."""
import math
import statistics


def show_ratio(ratio):
    return "-" if ratio is None else f"{ratio:.3f}" if ratio >= 0.01 else f"{ratio:.4f}"


def show(table, lines):
    unit = "ns" if table == "time" else "instructions"
    print(f"\n{table}: {unit} per operation")
    print(f"{'row':<26}{'Linux':>14}{'Quire':>14}{'ratio':>9}{'spread':>20}{'goal':>8}")
    for r in lines:
        fmt = lambda v: f"{v:>14,.0f}" if v is not None else f"{'-':>14}"
        ratio = f"{show_ratio(r['ratio']):>9}"
        spread = f"{show_ratio(r['low'])} .. {show_ratio(r['high'])}" if r["ratio"] is not None else ""
        mark = "" if r["ratio"] is None else "" if r["ratio"] <= r["goal"] else " over" if r["ratio"] <= 1 else " ABOVE 1"
        print(f"{r['name']:<26}{fmt(r['linux'])}{fmt(r['quire'])}{ratio}{spread:>20}{r['goal']:>8}{mark}")
    ratios = [r["ratio"] for r in lines if r["ratio"]]
    if ratios:
        print(f"{'geometric mean':<26}{'':>28}{statistics.geometric_mean(ratios):>9.3f}{'':>20}{0.40:>8}")


def show_huge(table, lines):
    """Rows about memory beside Linux with 2 MiB pages, which Quire does not have."""
    lines = [r for r in lines if "linux_huge" in r]
    if lines:
        print(f"\n{table}, Linux with transparent_hugepage=always; per 4 KiB page or operation as above")
        print(f"{'row':<26}{'Linux':>14}{'Quire':>14}{'ratio':>9}")
    for r in lines:
        print(f"{r['name']:<26}{r['linux_huge']:>14,.0f}{r['quire']:>14,.0f}{show_ratio(r['ratio_huge']):>9}")


def show_scaling(table, lines):
    """Cost of an operation with 1, 2, 4 workers by that with one, and what they waited for."""
    lines = [r for r in lines if "workers" in r]
    if not lines:
        return
    unit = "time" if table == "time" else "instructions of all CPUs"
    print(f"\nscaling: {unit} per operation, relative to one worker; locks waited for and CPUs interrupted, per operation")
    print(f"{'row':<26}{'Linux':>8}{'Quire':>8}{'lock waits':>12}{'shot at':>10}  most waited for")
    for r in lines:
        fmt = lambda v: f"{v:>8.2f}" if v is not None else f"{'-':>8}"
        c = r["quire_counters"]
        part = sorted(((v, k[len("lock_wait_"):]) for k, v in c.items() if k.startswith("lock_wait_") and v), reverse=True)
        print(f"{r['name']:<26}{fmt(r.get('linux_relative'))}{fmt(r['quire_relative'])}{c.get('lock_wait', 0):>12.4f}"
              f"{c.get('nr_tlb_remote_flush_received', 0):>10.3f}  " + ", ".join(f"{k} {v:.4f}" for v, k in part[:3]))


def draw(results, path):
    """A bar a row and table: the ratio on a logarithmic scale, the goal as a tick, 1.00 as a line."""
    rows = [r for r in results if r["ratio"]]
    height, left, width = 16, 250, 620
    scale = lambda v: left + width * (math.log10(max(v, 0.0005)) - math.log10(0.0005)) / (math.log10(4) - math.log10(0.0005))
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 80}" height="{height * len(rows) + 60}" '
           'font-family="sans-serif" font-size="11">', '<rect width="100%" height="100%" fill="white"/>',
           '<text x="10" y="18" font-size="14">Quire / Linux (shorter is faster; tick: goal; line: 1.00)</text>']
    for i, r in enumerate(rows):
        y = 36 + i * height
        color = "#3a7" if r["ratio"] <= r["goal"] else "#d92" if r["ratio"] <= 1 else "#c33"
        out.append(f'<text x="10" y="{y + 11}">{r["name"]} ({r["table"]})</text>')
        out.append(f'<rect x="{left}" y="{y + 2}" width="{max(1, scale(r["ratio"]) - left):.1f}" height="{height - 5}" fill="{color}"/>')
        out.append(f'<rect x="{scale(r["goal"]):.1f}" y="{y}" width="2" height="{height - 1}" fill="#333"/>')
        out.append(f'<text x="{scale(r["ratio"]) + 4:.1f}" y="{y + 11}">{r["ratio"]:.3f}</text>')
    out.append(f'<line x1="{scale(1):.1f}" x2="{scale(1):.1f}" y1="30" y2="{40 + height * len(rows)}" stroke="#c33"/></svg>')
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(out) + "\n")


def show_sizes(table, image):
    """The loadable part of Quire's file, and what is in use when init runs, of the machine of the benchmark."""
    used = {k: statistics.median(s["memory"]) / 1024 for k, s in table.samples.items() if "memory" in s and k in table.kernels}
    print(f"\nsize: kernel image {image / 1024:,.0f} KiB (goal 600); memory in use when init runs: "
          + ", ".join(f"{k} {v:,.1f} MiB" for k, v in used.items()))


def write_markdown(results, path):
    """The tables as docs/performance.md shows them: every row with its figures of both tables."""
    out = ["| row | what | Linux | Quire | ratio | goal | ratio in time |", "|---|---|---:|---:|---:|---:|---:|"]
    by_table = {table: {r["name"]: r for r in results if r["table"] == table} for table in ("instructions", "time")}
    names = list(dict.fromkeys(r["name"] for r in results if "workers" not in r))
    figure = lambda v: "-" if v is None else f"{v:,.0f}"
    for name in names:
        time = by_table["time"].get(name, {})
        here = by_table["instructions"].get(name) or {**time, "linux": None, "quire": None, "ratio": None}
        spread = "-" if time.get("ratio") is None else \
            f"{show_ratio(time['ratio'])} ({show_ratio(time['low'])} to {show_ratio(time['high'])})"
        out.append(f"| `{name}` | {here['meaning']} | {figure(here['linux'])} | {figure(here['quire'])} | "
                   f"{show_ratio(here['ratio'])} | {here['goal']} | {spread} |")
    out += ["", "| scaling | Linux | Quire | lock waits | CPUs interrupted |", "|---|---:|---:|---:|---:|"]
    for r in results:
        if "workers" in r:
            relative = lambda k, r=r: "-" if r.get(k) is None else f"{r[k]:.2f}"
            counters = r["quire_counters"]
            out.append(f"| `{r['name']}`, {r['table']} | {relative('linux_relative')} | {relative('quire_relative')} | "
                       f"{counters.get('lock_wait', 0):.4f} | {counters.get('nr_tlb_remote_flush_received', 0):.3f} |")
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(out) + "\n")
