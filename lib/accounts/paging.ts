import { AppError } from '../errors.ts';

/** What a list takes, in the terms of moleculer-db. */
export interface ListQuery {
  /** From 1. */
  page?: number;
  pageSize?: number;
  /** A field, with `-` before it for the other direction. */
  sort?: string;
  /** A part of the name, with or without capitals and accents. */
  search?: string;
}

export interface Page<Row> {
  rows: Row[];
  /** Of all pages. */
  total: number;
  page: number;
  pageSize: number;
  totalPages: number;
}

export const DEFAULT_PAGE_SIZE = 20;
export const MAX_PAGE_SIZE = 100;

export interface PageWindow {
  limit: number;
  offset: number;
  orderBy: Record<string, 'asc' | 'desc'>;
}

/** Rows of one page; ties are ordered by `tieBreaker`, so that no row is on two pages or on none. */
export function windowOf(
  { page = 1, pageSize = DEFAULT_PAGE_SIZE, sort }: ListQuery,
  { sortable, fallback, tieBreaker }: { sortable: readonly string[]; fallback: string; tieBreaker: string },
): PageWindow {
  const asked = sort ?? fallback;
  const isDescending = asked.startsWith('-');
  const field = isDescending ? asked.slice(1) : asked;
  if (!sortable.includes(field))
    throw new AppError('BAD_INPUT', {
      message: `\`sort\` must be one of ${sortable.join(', ')}, with or without -.`,
      data: { field: 'sort' },
    });
  const orderBy: PageWindow['orderBy'] = { [field]: isDescending ? 'desc' : 'asc' };
  if (field !== tieBreaker) orderBy[tieBreaker] = 'asc';
  return { limit: pageSize, offset: (page - 1) * pageSize, orderBy };
}

export function pageOf<Row>(
  rows: Row[],
  total: number,
  { page = 1, pageSize = DEFAULT_PAGE_SIZE }: ListQuery,
): Page<Row> {
  return { rows, total, page, pageSize, totalPages: Math.ceil(total / pageSize) };
}
