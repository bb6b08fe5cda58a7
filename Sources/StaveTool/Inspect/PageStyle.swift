/// The page's style sheet. It names no font, image or address that is not there already.
enum PageStyle {
    static let text: StaticString = """
        :root{--paper:#fbfaf7;--card:#fff;--ink:#20221f;--soft:#63665f;--line:#e4e1d8;\
        --live:#2f7d5b;--dead:#c8bba6;--tombstones:#9a5bb5;--reserved:#e9e7e0;--damaged:#c22f4b;\
        --other:#5d6b86}
        @media (prefers-color-scheme:dark){:root{--paper:#161815;--card:#1e211d;--ink:#e8e6df;\
        --soft:#9da198;--line:#32362f;--live:#5cba8f;--dead:#6d6454;--tombstones:#c08fd6;\
        --reserved:#2b2f29;--damaged:#ef6a80;--other:#93a3c4}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--paper);color:var(--ink);\
        font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;\
        font-variant-numeric:tabular-nums}
        main{max-width:68rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}
        header{display:flex;flex-wrap:wrap;align-items:baseline;gap:.25rem 1rem;margin-bottom:1.5rem}
        h1{font-size:1.9rem;line-height:1.2;margin:0;letter-spacing:-.01em;overflow-wrap:anywhere}
        h2{font-size:1.15rem;margin:2.5rem 0 .25rem}
        p{margin:.25rem 0 .75rem;color:var(--soft);overflow-wrap:anywhere}
        header p{flex-basis:100%;margin:0}
        code{font:.9em/1.4 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;\
        overflow-wrap:anywhere}
        .verdict{padding:.1rem .7rem;border-radius:1rem;font-size:.9rem;font-weight:600;\
        color:var(--paper);background:var(--live)}
        .verdict.torn{background:var(--tombstones)}.verdict.bad{background:var(--damaged)}
        .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.75rem}
        .tile,.scroll{background:var(--card);border:1px solid var(--line);border-radius:.6rem}
        .tile{padding:.7rem .9rem}.tile b{display:block;font-size:1.35rem;line-height:1.3;white-space:nowrap}
        .tile span{color:var(--soft);font-size:.85rem}
        .scroll{overflow-x:auto;padding:.35rem .25rem}
        table{border-collapse:collapse;width:100%;font-size:.9rem}
        th,td{text-align:left;padding:.3rem .65rem;vertical-align:middle}
        th{color:var(--soft);font-weight:500;font-size:.8rem;white-space:nowrap}
        tbody tr{border-top:1px solid var(--line)}
        .n{text-align:right;white-space:nowrap}
        table.map td{padding-top:.15rem;padding-bottom:.15rem;white-space:nowrap}
        table.map td:last-child{width:100%;min-width:9rem}
        table.map tbody tr{border:0}
        table.wide td{white-space:nowrap}
        table.findings td:not(:last-child){white-space:nowrap}
        table.findings td:last-child{min-width:14rem;overflow-wrap:anywhere}
        table.bars td:last-child{width:30%;min-width:6rem}
        svg{display:block;width:100%;height:1.15rem;border-radius:.2rem}
        svg.band{height:1.6rem;margin:.5rem 0}
        .live{fill:var(--live)}.dead{fill:var(--dead)}.tombstones{fill:var(--tombstones)}
        .reserved{fill:var(--reserved)}.damaged{fill:var(--damaged)}
        .other{fill:var(--other)}
        ul.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;padding:0;\
        margin:.4rem 0 .6rem;font-size:.85rem;color:var(--soft)}
        ul.legend svg{display:inline-block;width:.8rem;height:.8rem;margin-right:.35rem;\
        vertical-align:-.08rem}
        .two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:1rem}
        h3{font-size:.95rem;margin:.9rem 0 0}
        footer{margin-top:3rem;padding-top:1rem;border-top:1px solid var(--line);font-size:.85rem;\
        color:var(--soft)}
        @media (max-width:36rem){main{padding:1.5rem .8rem 3rem}th,td{padding:.3rem .4rem}\
        .optional,table.findings thead{display:none}\
        table.findings td,table.findings td:not(:last-child){display:block;white-space:normal;\
        padding:.1rem .4rem}}
        @media print{body{background:#fff}.scroll{overflow:visible}}
        """
}
