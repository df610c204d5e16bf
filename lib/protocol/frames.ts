// Frames: what travels in one `protocol-message` event. The layout stands in frame-types.ts.
export * from './frame-decoding.ts';
export * from './frame-encoding.ts';
export * from './frame-types.ts';
