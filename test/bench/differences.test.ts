/** Two runs are compared where both have answered. */
import { expect, it } from 'vitest';
import { differences } from './differences';

const row = (target: string, dice: number, change = 'a') => ({ set: 's', reference: 'r', target, dice, change });

it('pairs by key, and leaves out what has no other', () => {
  const others = [row('y', 0.25), row('x', 0.5, 'b')];
  expect(differences([row('x', 0.75), row('y', 0.5), row('z', 1)], others, ({ target }) => target)).toEqual([
    { set: 's', reference: 'r', target: 'x', value: 0.25 },
    { set: 's', reference: 'r', target: 'y', value: 0.25 },
  ]);
});
