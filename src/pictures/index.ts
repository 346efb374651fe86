export { type Annotation, annotatePicture } from './annotate.js';
export { AnnotatedFiles } from './annotated-files.js';
export { annotationOf, annotationOfLine, type ResultLine, resultLineSchema } from './annotation.js';
export { expandPicturePaths, type PictureFile, readPicture } from './picture-file.js';
