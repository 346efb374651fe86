-- Dissects packets of the OpenMV Protocol (1.0.2) in Wireshark and tshark: one frame of link type USER0 holds one packet, as
-- `openmv-bridge inspect RECORDING --pcapng FILE` writes them.
--
-- Put this file into the folder of personal Lua plugins (Help > About Wireshark > Folders), or name it:
--   tshark -X lua_script:openmv.lua -r FILE

local openmv = Proto("openmv", "OpenMV Protocol")

local OPCODES = {
  [0x00] = "PROTO_SYNC", [0x01] = "PROTO_GET_CAPS", [0x02] = "PROTO_SET_CAPS", [0x03] = "PROTO_STATS",
  [0x04] = "PROTO_VERSION",
  [0x10] = "SYS_RESET", [0x11] = "SYS_BOOT", [0x12] = "SYS_INFO", [0x13] = "SYS_EVENT", [0x14] = "SYS_MEMORY",
  [0x20] = "CHANNEL_LIST", [0x21] = "CHANNEL_POLL", [0x22] = "CHANNEL_LOCK", [0x23] = "CHANNEL_UNLOCK",
  [0x24] = "CHANNEL_SHAPE", [0x25] = "CHANNEL_SIZE", [0x26] = "CHANNEL_READ", [0x27] = "CHANNEL_WRITE",
  [0x28] = "CHANNEL_IOCTL", [0x29] = "CHANNEL_EVENT",
}
local STATUSES = {
  [0] = "SUCCESS", [1] = "FAILED", [2] = "INVALID", [3] = "TIMEOUT", [4] = "BUSY", [5] = "CHECKSUM", [6] = "SEQUENCE",
  [7] = "OVERFLOW", [8] = "FRAGMENT", [9] = "UNKNOWN",
}
local FLAGS = { { 1, "ACK" }, { 2, "NAK" }, { 4, "RTX" }, { 8, "ACK_REQ" }, { 16, "FRAGMENT" }, { 32, "EVENT" } }
local NAK, EVENT = 2, 32
local READ, WRITE, IOCTL, SIZE = 0x26, 0x27, 0x28, 0x25
local HEADER, CRC = 10, 4

local f = {
  sequence = ProtoField.uint8("openmv.sequence", "Number"),
  channel = ProtoField.uint8("openmv.channel", "Channel"),
  flags = ProtoField.uint8("openmv.flags", "Flags", base.HEX),
  opcode = ProtoField.uint8("openmv.opcode", "Opcode", base.HEX, OPCODES),
  length = ProtoField.uint16("openmv.length", "Payload length"),
  header_crc = ProtoField.uint16("openmv.header_crc", "Header CRC", base.HEX),
  header_crc_ok = ProtoField.bool("openmv.header_crc.ok", "Header CRC is right"),
  payload = ProtoField.bytes("openmv.payload", "Payload"),
  payload_crc = ProtoField.uint32("openmv.payload_crc", "Payload CRC", base.HEX),
  payload_crc_ok = ProtoField.bool("openmv.payload_crc.ok", "Payload CRC is right"),
  status = ProtoField.uint16("openmv.status", "Status", base.DEC, STATUSES),
  event = ProtoField.uint16("openmv.event", "Event", base.HEX),
  offset = ProtoField.uint32("openmv.offset", "Offset"),
  bytes = ProtoField.uint32("openmv.bytes", "Bytes asked for"),
  request = ProtoField.uint32("openmv.request", "Ioctl request"),
  size = ProtoField.uint32("openmv.size", "Size"),
}
for _, flag in ipairs(FLAGS) do
  local name = flag[2]:lower()
  f["flag_" .. name] = ProtoField.bool("openmv.flags." .. name, flag[2], 8, nil, flag[1])
end
openmv.fields = f

local bad_crc = ProtoExpert.new("openmv.bad_crc", "Checksum is wrong", expert.group.CHECKSUM, expert.severity.ERROR)
local no_packet = ProtoExpert.new("openmv.no_packet", "No packet", expert.group.MALFORMED, expert.severity.WARN)
local refused = ProtoExpert.new("openmv.refused", "Refused", expert.group.RESPONSE_CODE, expert.severity.NOTE)
openmv.experts = { bad_crc, no_packet, refused }

-- Most significant bit first, not reflected, no final xor. Numbers are kept below 2^53, without bit operators, which
-- differ between the Lua versions of Wireshark: a shift is a multiplication, an exclusive or goes through `bit`.
local function xor(a, b) return bit.bxor(a, b) % 0x100000000 end

local function crc_table(width, polynomial)
  local top, limit = 2 ^ (width - 1), 2 ^ width
  local tab = {}
  for byte = 0, 255 do
    local crc = byte * 2 ^ (width - 8)
    for _ = 1, 8 do
      local high = crc >= top
      crc = (crc * 2) % limit
      if high then crc = xor(crc, polynomial) end
    end
    tab[byte] = crc
  end
  return function(bytes, from, to)
    local crc = limit - 1
    local shift = 2 ^ (width - 8)
    for at = from, to - 1 do
      local high = math.floor(crc / shift)
      crc = xor((crc % shift) * 256, tab[xor(high, bytes:get_index(at))])
    end
    return crc
  end
end
local crc16 = crc_table(16, 0xF94F)
local crc32 = crc_table(32, 0xFA567D89)

local function flag_names(flags)
  local names = {}
  for _, flag in ipairs(FLAGS) do
    if math.floor(flags / flag[1]) % 2 == 1 then names[#names + 1] = flag[2] end
  end
  return table.concat(names, "|")
end
local function has(flags, flag) return math.floor(flags / flag) % 2 == 1 end

local function add_checked(tree, field, ok_field, range, good)
  local item = tree:add_le(field, range)
  tree:add(ok_field, range, good):set_generated()
  if not good then item:add_proto_expert_info(bad_crc) end
end

local function dissect_payload(tree, payload, opcode, flags, outbound)
  local length = payload:len()
  tree:add(f.payload, payload)
  if has(flags, NAK) and length >= 2 then
    tree:add_le(f.status, payload(0, 2)):add_proto_expert_info(refused)
    local status = payload(0, 2):le_uint()
    return "refused: " .. (STATUSES[status] or status)
  elseif has(flags, EVENT) and length >= 2 then
    tree:add_le(f.event, payload(0, 2))
    return string.format("event 0x%04x", payload(0, 2):le_uint())
  elseif outbound and (opcode == READ or opcode == WRITE) and length >= 8 then
    tree:add_le(f.offset, payload(0, 4))
    tree:add_le(f.bytes, payload(4, 4))
    return string.format("offset %.0f length %.0f", payload(0, 4):le_uint(), payload(4, 4):le_uint())
  elseif outbound and opcode == IOCTL and length >= 4 then
    tree:add_le(f.request, payload(0, 4))
    return string.format("request %.0f", payload(0, 4):le_uint())
  elseif not outbound and opcode == SIZE and length >= 4 then
    tree:add_le(f.size, payload(0, 4))
    return string.format("size %.0f", payload(0, 4):le_uint())
  end
  return ""
end

function openmv.dissector(buffer, pinfo, root)
  pinfo.cols.protocol = "OpenMV"
  local outbound = pinfo.p2p_dir == P2P_DIR_SENT
  pinfo.cols.src = outbound and "host" or "camera"
  pinfo.cols.dst = outbound and "camera" or "host"
  local tree = root:add(openmv, buffer())
  local whole = buffer:len()
  if whole < HEADER or buffer(0, 2):le_uint() ~= 0xD5AA then
    tree:add_proto_expert_info(no_packet)
    pinfo.cols.info = whole .. " bytes that are no packet"
    return whole
  end

  local flags, opcode = buffer(4, 1):uint(), buffer(5, 1):uint()
  local length = buffer(6, 2):le_uint()
  local bytes = buffer:range(0, whole):bytes()
  tree:add(f.sequence, buffer(2, 1))
  tree:add(f.channel, buffer(3, 1))
  local flag_tree = tree:add(f.flags, buffer(4, 1))
  for _, flag in ipairs(FLAGS) do flag_tree:add(f["flag_" .. flag[2]:lower()], buffer(4, 1)) end
  tree:add(f.opcode, buffer(5, 1))
  tree:add_le(f.length, buffer(6, 2))
  local good = crc16(bytes, 0, 8) == buffer(8, 2):le_uint()
  add_checked(tree, f.header_crc, f.header_crc_ok, buffer(8, 2), good)

  local detail = ""
  if length > 0 and whole >= HEADER + length then
    detail = dissect_payload(tree, buffer(HEADER, length), opcode, flags, outbound)
    if whole >= HEADER + length + CRC then
      local fits = crc32(bytes, HEADER, HEADER + length) == buffer(HEADER + length, CRC):le_uint()
      add_checked(tree, f.payload_crc, f.payload_crc_ok, buffer(HEADER + length, CRC), fits)
      good = good and fits
    end
  end
  pinfo.cols.info = string.format("%s ch %d #%d %s %d B%s %s", OPCODES[opcode] or string.format("0x%02x", opcode),
    buffer(3, 1):uint(), buffer(2, 1):uint(), flag_names(flags), length, good and "" or " CRC WRONG", detail)
  return whole
end

DissectorTable.get("wtap_encap"):add(wtap.USER0, openmv)
