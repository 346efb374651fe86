/** `/api/cameras/ID/controls`: the sensor's settings. */
import { z } from 'zod';
import { controlSettingsSchema } from '../../camera/index.js';
import { BridgeError } from '../../errors.js';
import type { RouteGroup } from '../context.js';
import { controlSchema, controlsOf, settingName } from '../controls.js';
import { cameraParam, route } from '../route.js';
import type { WatchedCamera } from '../watched-camera.js';

const answerSchema = z.object({ cameraId: z.string(), controls: z.array(controlSchema) });
const path = '/api/cameras/{camera}/controls';
const answers = { 200: { description: 'the controls, and what the sensor answered', schema: answerSchema } };

export const controlRoutes: RouteGroup = (app, context) => {
  route(
    app,
    context,
    {
      ...{ method: 'GET', path, tag: 'cameras', params: cameraParam, answers },
      summary: 'The settings of the sensor: what each takes, and what it is now',
    },
    ({ params }) => answer(context.cameras.find(params.camera)),
  );
  route(
    app,
    context,
    {
      ...{ method: 'PUT', path, tag: 'cameras', params: cameraParam, body: controlSettingsSchema, answers },
      summary:
        'Change settings; those that are left out stay. What the sensor refuses is a 422 with its words',
    },
    async ({ params, body }) => {
      const camera = context.cameras.find(params.camera);
      for (const name of Object.keys(body)) camera.refused.delete(name);
      try {
        await camera.bridge.camera.controls.set(body);
      } catch (error) {
        noteRefusals(camera, error);
        throw error;
      }
      return answer(camera);
    },
  );
};

async function answer(camera: WatchedCamera): Promise<z.input<typeof answerSchema>> {
  const values = await camera.settings();
  return { cameraId: camera.id, controls: controlsOf(values, camera.refused) };
}

function noteRefusals(camera: WatchedCamera, error: unknown): void {
  const errors = error instanceof BridgeError && error.context['errors'];
  if (typeof errors !== 'object' || errors === null) return;
  for (const [name, text] of Object.entries(errors)) camera.refused.set(settingName(name), String(text));
}
