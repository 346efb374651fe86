/** Cameras beyond one machine: NATS and MQTT. What a broker needs is loaded when it is used. */
export { type CameraName, checkedName, subjectOf, topicOf } from './names.js';
