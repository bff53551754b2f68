/** What is made of a text that comes again and again: made once, as long as there are few such texts. */
export function remembering<V>(make: (text: string) => V, most = 10_000): (text: string) => V {
  const known = new Map<string, V>();
  return text => {
    const value = known.get(text);
    if (value !== undefined) return value;
    const made = make(text);
    if (known.size >= most) known.clear();
    known.set(text, made);
    return made;
  };
}
