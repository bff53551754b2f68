/** How something grows with another: the exponent of a power law through the points, by least squares on logarithms. 0: not at all. */
export function exponentOf(points: readonly (readonly [x: number, y: number])[]): number {
  if (points.length < 2) throw new RangeError('a curve needs two points');
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)] as const);
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const [middleX, middleY] = [mean(logs.map(([x]) => x)), mean(logs.map(([, y]) => y))];
  const both = logs.reduce((sum, [x, y]) => sum + (x - middleX) * (y - middleY), 0);
  return both / logs.reduce((sum, [x]) => sum + (x - middleX) ** 2, 0);
}
