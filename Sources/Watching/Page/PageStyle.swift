/// What the page looks like, and the little that its script does: literals, so that their hashes can stand in its policy.
package enum PageStyle {
    /// Colours first, each a hexadecimal number, whose contrasts a test computes.
    ///
    /// No other rule names a colour.
    package static let sheet: StaticString = """
        :root{color-scheme:light dark;
        --paper:#f6f5f1;--card:#ffffff;--ink:#1d2528;--soft:#51606a;--edge:#78858d;--faint:#dcdfdd;
        --link:#0b5b78;--act:#0b5b78;--on-act:#ffffff;--bad:#a3231f;--on-bad:#ffffff;--good:#1c6b3a;--line:#0f7596}
        @media (prefers-color-scheme:dark){:root{
        --paper:#12181b;--card:#1b2327;--ink:#e8ecee;--soft:#a9b6bd;--edge:#7f8d95;--faint:#333e44;
        --link:#7cc8e4;--act:#7cc8e4;--on-act:#08222d;--bad:#ff9c93;--on-bad:#330b08;--good:#86d6a0;--line:#58b9dc}}
        *{box-sizing:border-box}
        html{font:1rem/1.5 system-ui,sans-serif;background:var(--paper);color:var(--ink)}
        body{margin:0 auto;max-width:70rem;padding:1rem clamp(.75rem,3vw,2rem) 3rem}
        a{color:var(--link)}
        .skip{position:absolute;left:-99rem}
        .skip:focus{left:1rem;top:.5rem;padding:.5rem 1rem;background:var(--card)}
        header h1{margin:.5rem 0 0;font-size:1.6rem}
        header p{margin:.15rem 0;color:var(--soft)}
        code{font:.875em/1.4 ui-monospace,monospace;overflow-wrap:anywhere}
        .state{font-weight:600}.good{color:var(--good)}.bad{color:var(--bad)}
        section{background:var(--card);border:1px solid var(--faint);border-radius:.6rem;padding:1rem 1.1rem;margin:1rem 0}
        h2{font-size:1.15rem;margin:0 0 .6rem}
        section>p:last-child{margin-bottom:0}
        .facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(8rem,1fr));gap:.8rem;margin:0}
        .facts dt{color:var(--soft);font-size:.875rem}
        .facts dd{margin:0;font-size:1.2rem;font-weight:600;font-variant-numeric:tabular-nums}
        .facts small{font-weight:400;font-size:.875rem}
        .plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:1rem;margin-top:1.2rem}
        .plot{margin:0;display:grid;grid-template-columns:1fr auto;gap:.1rem .5rem;align-items:baseline}
        .plot svg{grid-column:1/-1;width:100%;height:3.2rem;border-bottom:1px solid var(--edge)}
        .plot small{grid-column:1/-1}
        .plot polyline{fill:none;stroke:var(--line);stroke-width:2;vector-effect:non-scaling-stroke;stroke-linejoin:round}
        .value{font-weight:600;font-variant-numeric:tabular-nums}
        small,.quiet{color:var(--soft)}
        table{border-collapse:collapse;width:100%}
        caption{text-align:left;color:var(--soft);padding:0 0 .4rem}
        th{text-align:left;font-size:.875rem;color:var(--soft);font-weight:600}
        th,td{padding:.45rem .8rem .45rem 0;border-top:1px solid var(--faint);vertical-align:middle}
        thead th{border-top:0}
        td.do{text-align:right;padding-right:0;white-space:nowrap}
        td.do>*+*{margin-left:.4rem}
        details{display:inline-block;text-align:left;vertical-align:top}
        details[open]{display:block;white-space:normal;max-width:16rem;margin-left:auto}
        details p{margin:.3rem 0 .5rem}
        button,summary,input{font:inherit;border-radius:.4rem;min-height:2.4rem}
        summary{cursor:pointer;list-style:none;display:inline-flex;align-items:center}
        summary::-webkit-details-marker{display:none}
        button,summary{padding:.3rem .85rem;border:1px solid var(--edge);background:var(--card);color:var(--ink)}
        button{cursor:pointer}
        button.act{background:var(--act);color:var(--on-act);border-color:var(--act);font-weight:600}
        button.end{background:var(--bad);color:var(--on-bad);border-color:var(--bad);font-weight:600}
        input{padding:.3rem .6rem;border:1px solid var(--edge);background:var(--card);color:var(--ink);width:100%}
        :focus-visible{outline:3px solid var(--link);outline-offset:2px}
        .row{display:grid;grid-template-columns:2fr 1fr 1fr auto;gap:.8rem;align-items:end}
        .row label span{display:block;font-size:.875rem;color:var(--soft)}
        .note{border-width:2px}.note.is-bad{border-color:var(--bad)}.note.is-good{border-color:var(--good)}
        #code{display:block;padding:.7rem;margin:.6rem 0;border:1px dashed var(--edge);border-radius:.4rem;font-size:1rem}
        .hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
        @media (max-width:40rem){
        .row{grid-template-columns:1fr}
        thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
        table,tbody,tr,th,td{display:block}
        tr{border-top:1px solid var(--faint);padding:.5rem 0}
        tr>*{border:0;padding:.1rem 0}
        td[data-name]::before{content:attr(data-name) ": ";color:var(--soft)}
        td.do{text-align:left;padding-top:.5rem;white-space:normal}
        details[open]{margin-left:0}}
        @media (forced-colors:active){.plot polyline{stroke:CanvasText}}
        """

    /// Takes what the server sends, and leaves alone the part in which somebody is at work.
    package static let script: StaticString = """
        (() => {
          const say = (text) => { document.getElementById('updates').textContent = text; };
          const source = new EventSource('/events');
          source.addEventListener('update', (event) => {
            const fresh = new DOMParser().parseFromString(event.data, 'text/html');
            for (const id of ['now', 'lists']) {
              const old = document.getElementById(id);
              const next = fresh.getElementById(id);
              if (old && next && !old.contains(document.activeElement)) old.replaceWith(document.adoptNode(next));
            }
            say('This page follows by itself.');
          });
          source.onerror = () => say('No connection to the portal: this page is as it was.');
        })();
        """
}
