import { describe, expect, it } from 'vitest';
import {
  countStatuses,
  countToReview,
  describeCounts,
  isOpen,
  nameKey,
  neighbourOf,
  nextToReview,
  type ReviewRow,
  type ReviewStatus,
  sortRows,
  sumCounts,
  toReview,
} from '../../src/dataset/review/reviewOrder';
import { seededRandom } from '../seeded';

const row = (
  image: string,
  status: ReviewStatus,
  iouPrediction: number | null = null,
  classId = 1,
  trust: number | null = null,
): ReviewRow => ({
  image,
  classId,
  status,
  trust,
  iouPrediction,
  error: null,
  mask: `/masks/${image}`,
  hasMask: true,
});
const STATUSES: readonly ReviewStatus[] = ['failed', 'auto', 'absent', 'none', 'edited', 'accepted', 'reference'];
const names = (rows: readonly ReviewRow[]) => rows.map(({ image }) => image).join('');

describe('nameKey', () => {
  it('orders names as people do: by number, whatever the case', () => {
    const wanted = ['a1.png', 'A2.png', 'a10.png', 'b/1.png', 'B/2.png', 'b/10.png', 'well 2-9', 'well 2-10'];
    const sorted = [...wanted].reverse().sort((a, b) => (nameKey(a) < nameKey(b) ? -1 : 1));
    expect(sorted).toEqual(wanted);
  });
});

describe('sortRows', () => {
  const rows = [
    row('a', 'auto', 0.9),
    row('b', 'none'),
    row('c', 'auto', 0.1),
    row('d', 'accepted', 0.5),
    row('e', 'failed'),
    row('f', 'auto', 0.1),
    row('g', 'auto'),
  ];

  it('by IoU prediction has the lowest first, those without one last, equals by name', () => {
    expect(names(sortRows(rows, 'iouPrediction'))).toBe('cfdabeg');
  });

  it('by trust has the lowest first, then what nobody judged by IoU prediction', () => {
    const judged = [row('h', 'auto', 0.2, 1, 0.7), row('i', 'auto', null, 1, 0.3), row('j', 'accepted', 0.05, 1, 0.7)];
    expect(names(sortRows([...rows, ...judged], 'trust'))).toBe('ihjcfdabeg');
    expect(names(sortRows(rows, 'trust'))).toBe('cfdabeg');
    expect(names(sortRows([...rows, ...judged], 'status'))).toBe('eihcfagbjd');
  });

  it('by status has failures first and what a person has seen last, within it by IoU prediction', () => {
    expect(names(sortRows(rows, 'status'))).toBe('ecfagbd');
  });

  it('by name leaves the rows as they are, and no order changes the list it is given', () => {
    const before = [...rows];
    expect(sortRows(rows, 'name')).toEqual(rows);
    sortRows(rows, 'status');
    expect(rows).toEqual(before);
  });

  it('agrees with an order by every pair', () => {
    const random = seededRandom(7);
    const many = Array.from({ length: 200 }, (_, i) =>
      row(
        String(i).padStart(3, '0'),
        STATUSES[Math.floor(random() * 7)],
        random() < 0.3 ? null : Math.floor(random() * 20) / 20,
        1,
        random() < 0.5 ? null : Math.floor(random() * 20) / 20,
      ),
    );
    const number = ({ iouPrediction }: ReviewRow) => iouPrediction ?? 2;
    for (const order of ['trust', 'iouPrediction', 'status'] as const) {
      const sorted = sortRows(many, order);
      expect(new Set(sorted)).toEqual(new Set(many));
      for (let i = 1; i < sorted.length; i++) {
        const [a, b] = [sorted[i - 1], sorted[i]];
        const keys = (one: ReviewRow) => [
          order === 'status' ? STATUSES.indexOf(one.status) : 0,
          order === 'iouPrediction' ? 0 : (one.trust ?? 2),
          order === 'iouPrediction' || one.trust === null ? number(one) : 0,
          Number(one.image),
        ];
        const [left, right] = [keys(a), keys(b)];
        const first = left.findIndex((value, k) => value !== right[k]);
        expect(left[first]).toBeLessThan(right[first]);
      }
    }
  });
});

describe('countStatuses', () => {
  it('counts each, also those that do not occur', () => {
    expect(countStatuses([row('a', 'auto'), row('b', 'auto'), row('c', 'failed')])).toEqual({
      failed: 1,
      auto: 2,
      absent: 0,
      none: 0,
      edited: 0,
      accepted: 0,
      reference: 0,
    });
  });
});

describe('the counts', () => {
  const counts = countStatuses(
    (['auto', 'auto', 'absent', 'accepted', 'edited', 'failed', 'reference'] as const).map((status) => ({ status })),
  );

  it('tell what is to review, without what failed, and what has no mask yet', () => {
    expect(countToReview(counts)).toBe(3);
    expect(describeCounts(counts)).toBe('3 to review, 2 done, 1 failed');
    expect(describeCounts(countStatuses([{ status: 'none' }]))).toBe('0 to review, 0 done, 1 not labelled yet');
  });

  it('are summed status by status', () => {
    expect(sumCounts([])).toEqual(countStatuses([]));
    expect(describeCounts(sumCounts([counts, counts, countStatuses([{ status: 'none' }])]))).toBe(
      '6 to review, 4 done, 2 failed, 1 not labelled yet',
    );
  });
});

describe('neighbourOf', () => {
  const rows = [row('a', 'auto'), row('b', 'failed'), row('c', 'accepted'), row('d', 'failed')];

  it('passes what failed, in either direction, and goes round', () => {
    expect(['a', 'b', 'c', 'd'].map((image) => neighbourOf(rows, image, 1)?.image)).toEqual(['c', 'c', 'a', 'a']);
    expect(['a', 'b', 'c', 'd'].map((image) => neighbourOf(rows, image, -1)?.image)).toEqual(['c', 'a', 'a', 'c']);
    expect(neighbourOf(rows, 'gone', 1)?.image).toBe('a');
    expect(neighbourOf(rows, 'gone', -1)?.image).toBe('c');
  });

  it('is none where there is no other', () => {
    expect(neighbourOf([row('a', 'auto'), row('b', 'failed')], 'a', 1)).toBeNull();
    expect(neighbourOf([], 'a', -1)).toBeNull();
  });
});

describe('nextToReview', () => {
  const rows = [
    row('a', 'auto'),
    row('b', 'accepted'),
    row('c', 'failed'),
    row('d', 'edited'),
    row('e', 'reference'),
    row('f', 'none'),
  ];
  const at = (image: string) => ({ image, classId: 1 });

  it('passes over what a person has seen to, in either direction, and goes round', () => {
    const next = (image: string, direction?: 1 | -1) => nextToReview(rows, at(image), direction)?.image;
    expect(['a', 'b', 'c', 'd', 'e', 'f'].map((image) => next(image))).toEqual(['f', 'f', 'f', 'f', 'f', 'a']);
    expect(['a', 'b', 'c', 'd', 'e', 'f'].map((image) => next(image, -1))).toEqual(['f', 'a', 'a', 'a', 'a', 'a']);
  });

  it('begins at an end where nobody is at a row', () => {
    expect(nextToReview(rows, null)?.image).toBe('a');
    expect(nextToReview(rows, null, -1)?.image).toBe('f');
    expect(nextToReview(rows, at('gone'))?.image).toBe('a');
  });

  it('is none where nothing is left but the place itself', () => {
    expect(nextToReview([row('a', 'auto'), row('b', 'accepted')], at('a'))).toBeNull();
    expect(nextToReview([row('b', 'accepted')], null)).toBeNull();
    expect(nextToReview([], null)).toBeNull();
    expect(nextToReview([row('a', 'auto')], null)?.image).toBe('a');
  });

  it('tells two classes of an image apart', () => {
    const both = [row('a', 'auto', null, 1), row('a', 'auto', null, 2), row('b', 'accepted')];
    expect(nextToReview(both, at('a'))).toBe(both[1]);
  });

  it('gives as many as are asked for, none twice', () => {
    expect(names(toReview(rows, at('c'), 1))).toBe('f');
    expect(names(toReview(rows, at('c'), 9))).toBe('fa');
    expect(names(toReview(rows, null, 9))).toBe('af');
    expect(names(toReview(rows, at('b'), 9, -1))).toBe('af');
    expect(toReview(rows, null, 0)).toEqual([]);
  });

  it('agrees with stepping through by hand', () => {
    const random = seededRandom(3);
    for (let round = 0; round < 100; round++) {
      const list = Array.from({ length: 1 + Math.floor(random() * 8) }, (_, i) =>
        row(String(i), STATUSES[Math.floor(random() * 7)]),
      );
      const start = Math.floor(random() * list.length);
      for (const direction of [1, -1] as const) {
        const rotated = list.map((_, k) => list[(start + direction * (k + 1) + 2 * list.length) % list.length]);
        const wanted = rotated.slice(0, -1).filter(isOpen);
        expect(toReview(list, list[start], 99, direction)).toEqual(wanted);
      }
    }
  });
});
