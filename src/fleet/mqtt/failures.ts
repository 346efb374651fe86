/** Why there is no connection to the broker, in words that say what to do. */
import { BridgeError } from '../../errors.js';

/** CONNACK codes of MQTT 3.1.1 and 5 that are about who asks: user name, password, client id, certificate. */
const DENIED = new Set([2, 4, 5, 133, 134, 135, 138, 140]);
/** CONNACK codes for a version of the protocol that the broker does not know. */
export const WRONG_VERSION: ReadonlySet<unknown> = new Set([1, 132]);

const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there. Start the broker, or correct the address',
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'the name of the host cannot be looked up at the moment',
  ETIMEDOUT: 'the host does not answer',
  EHOSTUNREACH: 'no way leads to the host',
  ENETUNREACH: 'no way leads to the host',
};
const CERTIFICATE: Readonly<Record<string, string>> = {
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host name',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet: look at the clocks',
};
const UNKNOWN_AUTHORITY = /SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)/;
/** What OpenSSL says of a peer that speaks no TLS, or does not like this one's certificate. */
const NO_TLS = /WRONG_VERSION_NUMBER|EPROTO|PACKET_LENGTH/;
const NEEDS_CERTIFICATE = /CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|BAD_CERTIFICATE|UNKNOWN_CA/;

/** `shown`: the URL without credentials; `cause`: undefined, or a reset, when the connection was closed without a word. */
export function brokerError(shown: string, cause: unknown, was: 'connected' | 'opening'): BridgeError {
  const { code } = (cause ?? {}) as { code?: unknown };
  const error = (
    why: string,
    kind: 'BROKER_FAILED' | 'BROKER_DENIED' = 'BROKER_FAILED',
    options = ['mqtt'],
  ) => new BridgeError(kind, `The MQTT broker at ${shown}: ${why}.`, { context: { options }, cause });
  if (typeof code === 'number' && DENIED.has(code)) {
    return error(
      `it refuses this user name, password or client (code ${code}). Look at the credentials, and at what the broker allows`,
      'BROKER_DENIED',
      ['mqttCredentials'],
    );
  }
  const name = String(code ?? '');
  if (name in NETWORK) return error(NETWORK[name]!);
  if (name in CERTIFICATE) return error(CERTIFICATE[name]!);
  if (UNKNOWN_AUTHORITY.test(name)) {
    return error(
      'its certificate is signed by no authority known here. Give the certificate of the one that did',
      'BROKER_FAILED',
      ['mqttCa'],
    );
  }
  if (NEEDS_CERTIFICATE.test(name)) {
    return error('it refuses the certificate of this bridge, or wants one', 'BROKER_DENIED', [
      'mqttCert',
      'mqttKey',
    ]);
  }
  if (NO_TLS.test(name)) return error('it speaks no TLS there. Is mqtts:// right, and the port?');
  const words = cause instanceof Error ? cause.message : '';
  if (words === 'connack timeout') return error('it takes the connection and does not answer');
  if (words === 'Keepalive timeout') return error('it does not answer any more');
  // What is no MQTT comes from a server that speaks something else there, such as TLS.
  if (words !== '' && name !== 'ECONNRESET' && (code !== undefined || was === 'connected'))
    return error(words);
  return was === 'connected'
    ? error(
        'it closed the connection. If it does so again and again, another bridge has this site and camera id: each needs a site of its own',
      )
    : error('it closed the connection at once. Does it want TLS (mqtts://), or a certificate?');
}
