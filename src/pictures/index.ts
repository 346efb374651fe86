export { type Annotation, annotatePicture } from './annotate.js';
export {
  AnnotatedFiles,
  annotationOf,
  annotationOfLine,
  type ResultLine,
  resultLineSchema,
} from './annotated-files.js';
export { expandPicturePaths, type PictureFile, readPicture } from './picture-file.js';
