/**
 * What only Node can offer: real files behind mappings and swap. Imported as `@faultline/core/node`.
 *
 * @module @faultline/core/node
 */
export {
  type AsyncFile,
  AsyncFileStore,
  type FileCalls,
  FileStore,
  type OpenMode,
  StoreOpenError,
} from './machine/file-store.js';
export type { BackingStore, IoResult } from './machine/store.js';
