export { type Annotation, annotatePicture } from './annotate.js';
export {
  AnnotatedFiles,
  annotationOf,
  annotationOfLine,
  type ResultLine,
  resultLineSchema,
  saveAnnotated,
} from './annotated-files.js';
export { FrameFiles } from './frame-files.js';
export { expandPicturePaths, type PictureFile, readPicture } from './picture-file.js';
export { SavedFiles, type SavedOutcome, type SavePolicy } from './saved-files.js';
