import type { EntityManager } from './context.ts';
import { windowOf, type ListQuery } from './paging.ts';

export interface Selection {
  columns: string;
  /** From the tables to the end of the conditions. */
  from: string;
  params: readonly unknown[];
  /** What can be ordered by: SQL, each part of it in the direction that is asked for. */
  order: Readonly<Record<string, readonly string[]>>;
  fallback: string;
  /** Orders those that are alike in it; the last part says which row it is. */
  ties: readonly string[];
}

/** One page of what a statement selects, and how many rows there are on all of them. */
export async function selectPage<Row extends object>(
  em: EntityManager,
  { columns, from, params, order, fallback, ties }: Selection,
  query: ListQuery,
): Promise<{ rows: Row[]; total: number }> {
  const window = windowOf(query, { sortable: Object.keys(order), fallback, tieBreaker: TIE });
  const ordered = Object.entries(window.orderBy)
    .flatMap(([field, direction]) => (order[field] ?? ties).map((part) => `${part} ${direction}`))
    .join(', ');
  const rows = await em.execute<Row[]>(`select ${columns} ${from} order by ${ordered} limit ? offset ?`, [
    ...params,
    window.limit,
    window.offset,
  ]);
  const [count] = await em.execute<{ n: string | number }[]>(`select count(*) as n ${from}`, [...params]);
  return { rows, total: Number(count!.n) };
}

/** No field that anybody can ask for. */
const TIE = ' ';
