import { Awareness } from 'y-protocols/awareness';
import type * as Y from 'yjs';
import {
  loadYwasm,
  ProtocolManager,
  type Ywasm,
  type YwasmDoc,
  type YwasmGlue,
} from '../../lib/provider/index.ts';

/** What the test does inside the page: a ywasm document, loaded from this page's server without `fs`. */
export interface YwasmPage {
  open(url: string, roomId: string): Promise<void>;
  insert(at: number, text: string): void;
  text(): string;
  isSaved(): boolean;
  /** Makes the WASM instance unusable, as a hostile update does. */
  trap(): void;
  trapped(): number;
  destroy(): void;
}

declare global {
  var ywasmPage: YwasmPage;
}

type YrsDoc = InstanceType<Ywasm['YDoc']>;

let manager: ProtocolManager;
let create: () => Ywasm;
let trapped = 0;

const newDocument = () => new (create().YDoc)({}) as YwasmDoc;
const current = () => manager.documents.get('doc') as YrsDoc;

globalThis.ywasmPage = {
  async open(url, roomId) {
    const { default: glue } = (await import(new URL('/ywasm-glue.js', location.href).href)) as {
      default: YwasmGlue;
    };
    create = await loadYwasm({ glue, wasm: await fetch('/ywasm_bg.wasm') });
    manager = new ProtocolManager({ url, roomId });
    manager.on('document-trapped', () => void trapped++);
    const document = newDocument();
    const awareness = new Awareness({ clientID: document.id, on() {} } as unknown as Y.Doc);
    awareness.setLocalState({ name: 'ywasm in a browser' });
    manager.addDoc(document, { docId: 'doc', awareness, recreate: newDocument });
  },
  insert: (at, text) => current().getText('t').insert(at, text, undefined, undefined),
  text: () => current().getText('t').toString(undefined),
  isSaved: () => manager.documentState('doc')?.isSynced === true && !manager.hasUnackedChanges,
  trap() {
    current().beginTransaction(undefined);
    try {
      current().beginTransaction(undefined);
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    }
  },
  trapped: () => trapped,
  destroy: () => manager.destroy(),
};
