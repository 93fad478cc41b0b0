// Grants as people write them: PATTERN:RIGHTS.
export const grantsText = (grants = [], between = ', ') => grants.map((g) => `${g.room}:${g.rights}`).join(between);

export function grantsOf(text = '') {
  return text.split(/[\n,]/).map((s) => s.trim()).filter(Boolean).map((line) => {
    const at = line.lastIndexOf(':'), rights = line.slice(at + 1);
    if (at < 1 || !/^(r|w|rw)$/.test(rights)) throw new Error(`“${line}” is no grant: write PATTERN:RIGHTS, with r, w or rw, for example plant.*:rw`);
    return { room: line.slice(0, at), rights };
  });
}
