/** Parameter schemas that several actions share; ids are checked again where they are used. */
const id = { type: 'string', min: 1, max: 128 } as const;

export const documentParam = {
  type: 'object',
  strict: true,
  props: { tenantId: id, roomId: id, docId: id, subdocId: { ...id, optional: true } },
} as const;

const count = { type: 'number', integer: true, min: 0 } as const;

export const positionParam = {
  type: 'object',
  strict: true,
  props: {
    generation: count,
    epoch: count,
    partition: count,
    offset: { type: 'number', integer: true, min: -1 },
  },
} as const;

/** After the wire it may be a Buffer, which is a Uint8Array. */
export const bytesParam = { type: 'class', instanceOf: Uint8Array } as const;
export const countParam = count;
export const idParam = id;
