/**
 * HTML that cannot be broken by what stands in it: in a template, every value is escaped unless it is markup itself.
 *
 *     html`<p>${'a < b'}</p>`.text === '<p>a &lt; b</p>'
 */
export class Html {
  constructor(readonly text: string) {}
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ENTITIES[character] as string);
}

/** Text that is markup already and needs no escaping. */
export function raw(text: string): Html {
  return new Html(text);
}

export function html(strings: TemplateStringsArray, ...values: readonly (Html | string | number)[]): Html {
  const text = strings.reduce((before, after, i) => {
    const value = values[i - 1] as Html | string | number;
    return before + (value instanceof Html ? value.text : escapeHtml(`${value}`)) + after;
  });
  return new Html(text);
}

export function join(parts: readonly Html[]): Html {
  return new Html(parts.map(({ text }) => text).join('\n'));
}
